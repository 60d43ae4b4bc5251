/* Loops over arrays that layers share; threads for long ones. An element's result depends on nothing but its own
 * operands, so that it does not matter who computes it. */
#ifndef ACTSCOPE_KERNELS_LAYERS_ARITHMETIC_H
#define ACTSCOPE_KERNELS_LAYERS_ARITHMETIC_H

#include <stddef.h>

/* Loops over fewer elements stay on the caller's thread: a parallel region costs some microseconds. */
enum { PARALLEL_ELEMENTS = 32768 };
/* And products of matrices of fewer multiplications, m n k. */
enum { PARALLEL_PRODUCTS = 16 * PARALLEL_ELEMENTS };

void add_into(float *sum, const float *x, size_t n);                          /* sum += x */
void multiply_add_into(float *sum, const float *x, const float *y, size_t n); /* sum += x y */

/* columns[j] = beta columns[j] + the sum of x[i][j] over rows, in their order. */
void sum_rows(const float *x, size_t rows, size_t width, float *columns, float beta);

/* One thread's work in columns: blocks of a cache line or more, from the size alone. */
enum { COLUMN_BLOCK = 32 };
static inline size_t column_blocks(size_t width) {
  return (width + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
}
static inline size_t column_block_end(size_t block, size_t width) {
  return (block + 1) * COLUMN_BLOCK < width ? (block + 1) * COLUMN_BLOCK : width;
}

#endif
