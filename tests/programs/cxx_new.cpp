// C++'s ways to memory: new, new[], aligned, nothrow, a container; and an exception that passes through.
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

struct alignas(256) Wide {
  char bytes[110080];
};

static void thrower(int depth) {
  std::vector<char> held(110006);
  if (depth == 0) {
    throw std::runtime_error(std::string(110007, 'x'));
  }
  thrower(depth - 1);
}

static void *volatile seen; // a pair of new and delete that nobody sees may be left out by the compiler

template <typename T> static T *show(T *block) {
  seen = block;
  return block;
}

int main() {
  delete[] show(new char[110001]);
  delete show(new Wide);
  ::operator delete(show(::operator new(110003)));
  ::operator delete(show(::operator new(110004, std::nothrow)), std::nothrow);
  show(std::vector<char>(110005).data());
  try {
    thrower(3);
  } catch (const std::runtime_error &error) {
    return std::string(error.what()).size() == 110007 ? 0 : 99;
  }
  return 98;
}
