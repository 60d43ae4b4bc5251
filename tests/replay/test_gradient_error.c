/* Cosine and relative error against figures worked out by hand, and f'(x) dy against f' itself.
 *
 * Tolerances: sums of squares in double of at most 3e5 terms are good to 1e-12; a gradient rounded to float32 differs
 * from the double one by at most half a unit in the last place of each element, 6e-8 relative; to bfloat16 by 2^-9, to
 * float16 by 2^-12 (normal numbers). */
#include "kernels/replay/gradient_error.h"

#include "kernels/half.h"
#include "kernels/replay/normal.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

static struct gradient_figures figures_of(const float *exact, const float *other, size_t n) {
  struct gradient_error error = {0};
  gradient_error_add(&error, exact, other, n);
  return gradient_error_figures(&error);
}

Test(gradient_error, by_hand) {
  const float a[] = {3, 4}, b[] = {4, 3}, opposite[] = {-3, -4}, zero[] = {0, 0};
  struct gradient_figures figures = figures_of(a, b, 2);
  cr_expect_float_eq(figures.cosine, 24.0 / 25, 1e-15);
  cr_expect_float_eq(figures.relative_error, sqrt(2) / 5, 1e-15);
  figures = figures_of(a, a, 2);
  cr_expect(figures.cosine == 1 && figures.relative_error == 0);
  figures = figures_of(a, opposite, 2);
  cr_expect(figures.cosine == -1 && figures.relative_error == 2);
  figures = figures_of(a, zero, 2);
  cr_expect(figures.cosine == 0 && figures.relative_error == 1);
  figures = figures_of(zero, a, 2);
  cr_expect(figures.cosine == 0 && isinf(figures.relative_error));
  figures = figures_of(zero, zero, 2);
  cr_expect(figures.cosine == 1 && figures.relative_error == 0);
  figures = figures_of(zero, zero, 0);
  cr_expect(figures.cosine == 1 && figures.relative_error == 0);
}

Test(gradient_error, not_a_number_stays_one) {
  const float a[] = {1, 2}, b[] = {1, NAN}, c[] = {1, INFINITY};
  cr_expect(isnan(figures_of(a, b, 2).cosine) && isnan(figures_of(a, b, 2).relative_error));
  cr_expect(isnan(figures_of(b, a, 2).cosine));
  cr_expect(isnan(figures_of(a, c, 2).cosine) || figures_of(a, c, 2).cosine == 0);
  cr_expect(isinf(figures_of(a, c, 2).relative_error));
}

/* Parts may come one by one and several times. */
Test(gradient_error, merges) {
  const float exact[] = {1, -2, 3, 0.5F, 1, -2}, other[] = {1.5F, -2, 2, 0.5F, 1.5F, -2};
  struct gradient_error whole = {0}, pair = {0}, rest = {0}, merged = {0};
  gradient_error_add(&whole, exact, other, 6);
  gradient_error_add(&pair, exact, other, 2);
  gradient_error_add(&rest, exact + 2, other + 2, 2);
  gradient_error_merge(&merged, &pair, 2);
  gradient_error_merge(&merged, &rest, 1);
  cr_expect_float_eq(gradient_error_cosine(&whole), gradient_error_cosine(&merged), 1e-15);
  cr_expect_float_eq(gradient_error_relative(&whole), gradient_error_relative(&merged), 1e-15);
}

static void store(void *array, enum run_type type, size_t i, double value) {
  if (type == RUN_FLOAT32) {
    ((float *)array)[i] = (float)value;
  } else {
    ((uint16_t *)array)[i] = type == RUN_BFLOAT16 ? bf16_from_float((float)value) : fp16_from_float((float)value);
  }
}

static double load(const void *array, enum run_type type, size_t i) {
  if (type == RUN_FLOAT32) {
    return (double)((const float *)array)[i];
  }
  const uint16_t bits = ((const uint16_t *)array)[i];
  return (double)(type == RUN_BFLOAT16 ? bf16_to_float(bits) : fp16_to_float(bits));
}

/* dx is f'(x) dy rounded to the type: what is left is the rounding. */
Test(gradient_error, against_the_function) {
  enum { N = 10001 };
  static const double bounds[] = {[RUN_FLOAT32] = 6e-8, [RUN_BFLOAT16] = 0x1p-9, [RUN_FLOAT16] = 0x1p-11};
  struct function function;
  cr_assert_eq(function_find(&function, "mish", NULL), 0);
  for (int type = RUN_FLOAT32; type <= RUN_FLOAT16; type++) {
    void *x = malloc(N * sizeof(float)), *dy = malloc(N * sizeof(float)), *dx = malloc(N * sizeof(float));
    struct gradient_error error = {0}, doubled = {0};
    normal_fill(x, (enum run_type)type, N, 7, 0);
    normal_fill(dy, (enum run_type)type, N, 7, 1);
    for (size_t i = 0; i < N; i++) {
      const double exact =
          function_derivative(&function, load(x, (enum run_type)type, i)) * load(dy, (enum run_type)type, i);
      store(dx, (enum run_type)type, i, exact);
    }
    gradient_error_add_function(&error, &function, (enum run_type)type, x, dy, dx, N);
    cr_expect_leq(gradient_error_relative(&error), bounds[type], "type %d: %g", type, gradient_error_relative(&error));
    cr_expect_gt(gradient_error_relative(&error), 0);
    for (size_t i = 0; i < N; i++) {
      store(dx, (enum run_type)type, i, 2 * load(dx, (enum run_type)type, i));
    }
    gradient_error_add_function(&doubled, &function, (enum run_type)type, x, dy, dx, N);
    cr_expect_float_eq(gradient_error_relative(&doubled), 1, 2 * bounds[type]);
    cr_expect_gt(gradient_error_cosine(&doubled), 1 - bounds[type]);
    free(x);
    free(dy);
    free(dx);
  }
}

/* Bit for bit: pieces are added in their order. */
Test(gradient_error, whatever_the_threads) {
#ifdef _OPENMP
  enum { N = 300000 };
  float *x = malloc(N * sizeof *x), *dy = malloc(N * sizeof *dy);
  struct gradient_error one = {0}, four = {0};
  struct function function;
  const int threads = omp_get_max_threads();
  cr_assert_eq(function_find(&function, "silu", NULL), 0);
  omp_set_num_threads(1);
  normal_fill(x, RUN_FLOAT32, N, 1, 0);
  normal_fill(dy, RUN_FLOAT32, N, 1, 1);
  gradient_error_add_function(&one, &function, RUN_FLOAT32, x, dy, dy, N);
  omp_set_num_threads(4);
  gradient_error_add_function(&four, &function, RUN_FLOAT32, x, dy, dy, N);
  float *again = malloc(N * sizeof *again);
  normal_fill(again, RUN_FLOAT32, N, 1, 0);
  cr_expect_eq(memcmp(x, again, N * sizeof *x), 0);
  cr_expect_eq(memcmp(&one, &four, sizeof one), 0);
  omp_set_num_threads(threads);
  free(x);
  free(dy);
  free(again);
#endif
}

/* Mean and variance of n numbers from N(0, 1) lie within 5 deviations of theirs: 5 / sqrt(n) and 5 sqrt(2 / n). */
Test(gradient_error, numbers_are_normal) {
  enum { N = 100003 };
  float *x = malloc(N * sizeof *x), *other = malloc(N * sizeof *other);
  double sum = 0, squares = 0, fourth = 0, product = 0;
  normal_fill(x, RUN_FLOAT32, N, 3, 0);
  normal_fill(other, RUN_FLOAT32, N, 3, 1);
  for (size_t i = 0; i < N; i++) {
    const double value = (double)x[i];
    sum += value;
    squares += value * value;
    fourth += value * value * value * value;
    product += value * (double)other[i];
  }
  cr_expect_float_eq(sum / N, 0, 5 / sqrt(N));
  cr_expect_float_eq(squares / N, 1, 5 * sqrt(2.0 / N));
  cr_expect_float_eq(fourth / N, 3, 5 * sqrt(96.0 / N));
  cr_expect_float_eq(product / N, 0, 5 / sqrt(N));
  free(x);
  free(other);
}
