#include "kernels/layers/matmul.h"

#include "kernels/layers/arithmetic.h"

#include <cblas.h>
#include <pthread.h>

/* Tiles of C. BLAS packs its rows of A and columns of B for each, which costs about 1 / TILE_ROWS + 1 / TILE_COLUMNS of
 * the product: large tiles, unless there would be too few of them to share among threads. */
enum { TILE_COLUMNS = 1024, TILE_ROWS_MAX = 256, TILE_ROWS_MIN = 64, TILES_WANTED = 4 };

/* One BLAS thread: ours are OpenMP's, and BLAS's own would cut C by their number. The only place that says so. */
static void blas_init(void) {
  openblas_set_num_threads(1);
}

static void blas_ready(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, blas_init);
}

static size_t minimum(size_t a, size_t b) {
  return a < b ? a : b;
}

/* Of rows as they are stored. */
static size_t stride(size_t given, bool transposed, size_t rows, size_t columns) {
  const size_t close = transposed ? rows : columns;
  return given ? given : close ? close : 1; /* BLAS wants one at least */
}

static void tile(const struct matmul *p, size_t row, size_t rows, size_t column, size_t columns) {
  const size_t lda = stride(p->a_stride, p->transpose_a, p->m, p->k);
  const size_t ldb = stride(p->b_stride, p->transpose_b, p->k, p->n);
  const size_t ldc = stride(p->c_stride, false, p->m, p->n);
  const float *a = p->a + (p->transpose_a ? row : row * lda);
  const float *b = p->b + (p->transpose_b ? column * ldb : column);
  cblas_sgemm(CblasRowMajor, p->transpose_a ? CblasTrans : CblasNoTrans, p->transpose_b ? CblasTrans : CblasNoTrans,
              (blasint)rows, (blasint)columns, (blasint)p->k, p->alpha, a, (blasint)lda, b, (blasint)ldb, p->beta,
              p->c + row * ldc + column, (blasint)ldc);
}

/* BLAS does nothing at all where k is 0. */
static void scale(const struct matmul *p) {
  const size_t ldc = stride(p->c_stride, false, p->m, p->n);
  for (size_t i = 0; i < p->m; i++) {
    for (size_t j = 0; j < p->n; j++) {
      float *c = &p->c[i * ldc + j];
      *c = p->beta == 0 ? 0 : p->beta * *c;
    }
  }
}

void matmul_small(const struct matmul *product) {
  if (product->m == 0 || product->n == 0) {
    return;
  }
  if (product->k == 0) {
    scale(product);
    return;
  }
  blas_ready();
  tile(product, 0, product->m, 0, product->n);
}

static size_t ceiling(size_t a, size_t b) {
  return (a + b - 1) / b;
}

/* Rows of a tile, from the size alone. */
static size_t tile_rows(const struct matmul *p, size_t across) {
  size_t rows = TILE_ROWS_MAX;
  while (rows > TILE_ROWS_MIN && ceiling(p->m, rows) * across < TILES_WANTED) {
    rows /= 2;
  }
  return rows;
}

void matmul(const struct matmul *product) {
  const struct matmul *p = product;
  if (p->m == 0 || p->n == 0 || p->k == 0) {
    matmul_small(p);
    return;
  }
  blas_ready();
  const size_t across = ceiling(p->n, TILE_COLUMNS), rows = tile_rows(p, across), down = ceiling(p->m, rows);
  const double products = (double)p->m * (double)p->n * (double)p->k;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic) if (products > PARALLEL_PRODUCTS && down * across > 1)
#endif
  for (size_t i = 0; i < down * across; i++) {
    const size_t row = i / across * rows, column = i % across * TILE_COLUMNS;
    tile(p, row, minimum(rows, p->m - row), column, minimum(TILE_COLUMNS, p->n - column));
  }
  (void)products;
}
