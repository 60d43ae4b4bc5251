/* C = alpha A B + beta C in float32, row-major, over CBLAS: the product beneath linear, convolution and attention.
 *
 * C is cut into tiles whose borders depend on its size only, and each tile is one call of a single-threaded BLAS: the
 * result does not depend on the number of threads. With k = 0, C becomes beta C. */
#ifndef ACTSCOPE_KERNELS_LAYERS_MATMUL_H
#define ACTSCOPE_KERNELS_LAYERS_MATMUL_H

#include <stdbool.h>
#include <stddef.h>

struct matmul {
  size_t m, n, k;                /* A (m, k), B (k, n), C (m, n), each below 2^31 */
  bool transpose_a, transpose_b; /* A is stored as (k, m), B as (n, k) */
  const float *a, *b;
  float *c;
  size_t a_stride, b_stride, c_stride; /* floats from a row, as stored, to the next; 0: rows lie close together */
  float alpha, beta;                   /* beta 0: C need not hold numbers */
};

/* Tiles shared among OpenMP's threads; within a parallel region, on the caller's thread. */
void matmul(const struct matmul *product);
/* In one call on this thread: for the many small products of a loop that is parallel itself. */
void matmul_small(const struct matmul *product);

#endif
