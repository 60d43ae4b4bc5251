#include "kernels/layers/arithmetic.h"

void add_into(float *sum, const float *x, size_t n) {
#pragma omp parallel for simd schedule(static) if (n > PARALLEL_ELEMENTS)
  for (size_t i = 0; i < n; i++) {
    sum[i] += x[i];
  }
}

void multiply_add_into(float *sum, const float *x, const float *y, size_t n) {
#pragma omp parallel for simd schedule(static) if (n > PARALLEL_ELEMENTS)
  for (size_t i = 0; i < n; i++) {
    sum[i] += x[i] * y[i];
  }
}

static void sum_block(const float *x, size_t rows, size_t width, size_t first, size_t end, float *columns) {
  float sum[COLUMN_BLOCK] = {0};
  for (size_t i = 0; i < rows; i++) {
    const float *row = x + i * width;
    for (size_t j = first; j < end; j++) {
      sum[j - first] += row[j];
    }
  }
  for (size_t j = first; j < end; j++) {
    columns[j] += sum[j - first];
  }
}

void sum_rows(const float *x, size_t rows, size_t width, float *columns, float beta) {
#pragma omp parallel for schedule(static) if (rows * width > PARALLEL_ELEMENTS)
  for (size_t block = 0; block < column_blocks(width); block++) {
    const size_t first = block * COLUMN_BLOCK, end = column_block_end(block, width);
    for (size_t j = first; j < end; j++) {
      columns[j] = beta == 0 ? 0 : beta * columns[j];
    }
    sum_block(x, rows, width, first, end, columns);
  }
}
