/* The product against sums in double: transposed or not, strided, scaled, at sizes around the tiles' borders. The bound is
 * k roundings of products of numbers below 1: 2^-24 k. */
#include "kernels/layers/matmul.h"

#include "tests/layers/gradient_check.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static float *numbers(size_t n, uint64_t seed) {
  float *x = malloc((n + 1) * sizeof *x);
  cr_assert(x, "out of memory");
  gradient_check_fill(x, n, -1, 1, seed);
  return x;
}

static double at(const float *x, bool transpose, size_t stride, size_t i, size_t j) {
  return (double)(transpose ? x[j * stride + i] : x[i * stride + j]);
}

static void compare(const struct matmul *p, const float *before) {
  for (size_t i = 0; i < p->m; i++) {
    for (size_t j = 0; j < p->n; j++) {
      double sum = 0;
      for (size_t l = 0; l < p->k; l++) {
        sum += at(p->a, p->transpose_a, p->a_stride, i, l) * at(p->b, p->transpose_b, p->b_stride, l, j);
      }
      const size_t c = i * p->c_stride + j;
      const double expected = (double)p->alpha * sum + (p->beta == 0 ? 0 : (double)p->beta * (double)before[c]),
                   got = (double)p->c[c];
      cr_assert(fabs(got - expected) <= 0x1p-24 * (double)(p->k + 4),
                "(%zu, %zu, %zu) transposed %d %d: c[%zu][%zu] is %g, not %g", p->m, p->n, p->k, p->transpose_a,
                p->transpose_b, i, j, got, expected);
    }
  }
}

/* Rows lie `padding` floats farther apart than they must; what is between stays as it is. */
static void check(struct matmul p, size_t padding, bool small) {
  p.a_stride = (p.transpose_a ? p.m : p.k) + padding;
  p.b_stride = (p.transpose_b ? p.k : p.n) + padding;
  p.c_stride = p.n + padding;
  const size_t a_size = (p.transpose_a ? p.k : p.m) * p.a_stride, b_size = (p.transpose_b ? p.n : p.k) * p.b_stride;
  const size_t c_size = p.m * p.c_stride;
  float *a = numbers(a_size, 1), *b = numbers(b_size, 2), *c = numbers(c_size, 3), *before = numbers(c_size, 3);
  if (p.beta == 0) {
    for (size_t i = 0; i < c_size; i++) {
      c[i] = i % p.c_stride < p.n ? NAN : c[i];
    }
  }
  p.a = a;
  p.b = b;
  p.c = c;
  (small ? matmul_small : matmul)(&p);
  compare(&p, before);
  for (size_t i = 0; i < c_size; i++) {
    cr_assert(i % p.c_stride < p.n || c[i] == before[i], "wrote beside a row");
  }
  free(a);
  free(b);
  free(c);
  free(before);
}

Test(matmul, against_sums_in_double) {
  static const size_t sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {64, 17, 33}, {65, 1, 64}, {300, 40, 1}, {2, 1030, 9}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (unsigned transposed = 0; transposed < 4; transposed++) {
      struct matmul p = {.m = sizes[i][0], .n = sizes[i][1], .k = sizes[i][2], .alpha = 1};
      p.transpose_a = transposed & 1;
      p.transpose_b = transposed & 2;
      check(p, 0, false);
      check(p, 3, true);
      p.alpha = -0.5f;
      p.beta = 1;
      check(p, 1, false);
      p.beta = 0.25f;
      check(p, 2, true);
    }
  }
}

Test(matmul, nothing_to_add_up) {
  float c[6] = {1, 2, 3, 4, 5, 6};
  matmul(&(struct matmul){.m = 2, .n = 3, .k = 0, .c = c, .alpha = 1, .beta = 0.5f});
  for (int i = 0; i < 6; i++) {
    cr_assert_eq(c[i], (float)(i + 1) / 2);
  }
  c[0] = NAN;
  matmul(&(struct matmul){.m = 2, .n = 3, .k = 0, .c = c, .alpha = 1, .beta = 0});
  for (int i = 0; i < 6; i++) {
    cr_assert_eq(c[i], 0);
  }
  matmul(&(struct matmul){.m = 0, .n = 3, .k = 4, .alpha = 1});
  matmul(&(struct matmul){.m = 3, .n = 0, .k = 4, .alpha = 1});
}
