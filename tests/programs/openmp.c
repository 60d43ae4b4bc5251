/* OpenMP's workers allocate; what they made is freed by the first thread. */
#include <stdlib.h>

int main(void) {
  enum { BLOCKS = 4000 };
  static void *blocks[BLOCKS];
#pragma omp parallel for num_threads(4)
  for (int i = 0; i < BLOCKS; i++) {
    blocks[i] = malloc(5000 + (size_t)i % 64);
  }
  for (int i = 0; i < BLOCKS; i++) {
    free(blocks[i]);
  }
  return 0;
}
