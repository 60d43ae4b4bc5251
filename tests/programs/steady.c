/* Allocates argument 1 times through 16 different stacks, prints a sum and ends with status 5. */
#include "check.h"

#include <stdlib.h>

static unsigned long descend(unsigned long path, int depth) {
  if (depth == 0) {
    unsigned char *block = malloc(5000 + path % 1000);
    block[0] = (unsigned char)path;
    unsigned long value = block[0];
    free(block);
    return value;
  }
  unsigned long value = path >> depth & 1 ? descend(path, depth - 1) : descend(path + 1, depth - 1);
  return value + 1;
}

int main(int argc, char **argv) {
  unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
  unsigned long sum = 0;
  for (unsigned long i = 0; i < count; i++) {
    sum += descend(i, 4);
  }
  print("%lu\n", sum);
  return 5;
}
