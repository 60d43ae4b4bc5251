/* A program with a malloc of its own: a preload library is not asked. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static _Alignas(16) unsigned char memory[1 << 24];
static size_t used;

void *malloc(size_t size) {
  size_t at = __atomic_fetch_add(&used, (size + 31) & ~(size_t)15, __ATOMIC_RELAXED);
  if (at + size + 16 > sizeof memory) {
    return NULL;
  }
  memcpy(memory + at, &size, sizeof size);
  return memory + at + 16;
}

void free(void *block) {
  (void)block;
}

void *calloc(size_t count, size_t size) {
  return malloc(count * size); /* never used before, so zero */
}

void *realloc(void *block, size_t size) {
  void *moved = malloc(size);
  size_t old;
  if (moved && block) {
    memcpy(&old, (unsigned char *)block - 16, sizeof old);
    memcpy(moved, block, old < size ? old : size);
  }
  return moved;
}

int main(void) {
  for (int i = 0; i < 100; i++) {
    free(malloc(10000));
  }
  return 0;
}
