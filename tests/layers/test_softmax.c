#include "kernels/layers/softmax.h"

#include "tests/layers/gradient_check.h"

#include <criterion/criterion.h>
#include <math.h>

enum { LONGEST = 300 };

/* In double. */
static void by_definition(const float *x, double scale, size_t n, double *y) {
  double largest = -INFINITY, sum = 0;
  for (size_t i = 0; i < n; i++) {
    largest = fmax(largest, (double)x[i]);
  }
  for (size_t i = 0; i < n; i++) {
    y[i] = exp(((double)x[i] - largest) * scale);
    sum += y[i];
  }
  for (size_t i = 0; i < n; i++) {
    y[i] /= sum;
  }
}

/* The exponent is off by some 2^-24 of its size, at most 20 here, and so is the result: 20 2^-24, and a few roundings.
 * */
Test(softmax, is_what_it_says) {
  for (size_t n = 1; n <= LONGEST; n = n < 20 ? n + 1 : n + 31) {
    for (int power = 0; power < 4; power++) {
      const float scale = ldexpf(1, -power);
      float x[LONGEST], y[LONGEST];
      double expected[LONGEST];
      gradient_check_fill(x, n, -10, 10, n);
      by_definition(x, (double)scale, n, expected);
      for (size_t i = 0; i < n; i++) {
        y[i] = x[i];
      }
      softmax_row(y, scale, n);
      for (size_t i = 0; i < n; i++) {
        cr_assert_float_eq((double)y[i], expected[i], 32 * 0x1p-24 * expected[i], "%zu of %zu: %g, not %g", i, n,
                           (double)y[i], expected[i]);
      }
    }
  }
}

Test(softmax, of_far_apart_numbers) {
  float x[4] = {1000, -1000, 999, -INFINITY};
  softmax_row(x, 1, 4);
  cr_assert_float_eq((double)x[0], 1 / (1 + exp(-1)), 1e-6);
  cr_assert_float_eq((double)x[2], exp(-1) / (1 + exp(-1)), 1e-6);
  cr_assert_eq(x[1], 0);
  cr_assert_eq(x[3], 0);
}

Test(softmax, of_what_is_no_number) {
  for (size_t n = 1; n < 20; n++) {
    for (size_t at = 0; at < n; at++) {
      float x[20] = {0}, z[20] = {0};
      x[at] = NAN;
      z[at] = INFINITY;
      softmax_row(x, 1, n);
      softmax_row(z, 1, n);
      cr_assert(isnan(x[0]) && isnan(x[n - 1]) && isnan(z[0]) && isnan(z[n - 1]), "%zu of %zu", at, n);
    }
  }
}

/* Central differences of the definition in double: h = 1e-4 errs by h^2 / 6 and by 2^-52 / h, both nothing beside
 * float32. */
Test(softmax, backward) {
  enum { N = 21 };
  float x[N], y[N], dy[N], dx[N];
  double up[N], down[N];
  const double scale = 0.25, h = 1e-4;
  gradient_check_fill(x, N, -4, 4, 1);
  gradient_check_fill(dy, N, -1, 1, 2);
  for (size_t i = 0; i < N; i++) {
    y[i] = x[i];
    dx[i] = dy[i];
  }
  softmax_row(y, (float)scale, N);
  softmax_row_backward(y, dx, (float)scale, N);
  for (size_t i = 0; i < N; i++) {
    float moved[N];
    double expected = 0;
    for (size_t j = 0; j < N; j++) {
      moved[j] = x[j];
    }
    moved[i] = x[i] + (float)h;
    by_definition(moved, scale, N, up);
    const double above = (double)moved[i];
    moved[i] = x[i] - (float)h;
    by_definition(moved, scale, N, down);
    for (size_t j = 0; j < N; j++) {
      expected += (double)dy[j] * (up[j] - down[j]) / (above - (double)moved[i]);
    }
    cr_assert_float_eq((double)dx[i], expected, 1e-7, "%zu: %g, not %g", i, (double)dx[i], expected);
  }
}
