/* libfewbit's stochastic rounding.
 *
 * Tolerances. Each draw's variance is known, (f' - low)(high - f'), so that the mean of N draws is within 5 sigma but
 * once in 1.7 million; the seeds are fixed, so the test never changes its mind. */
#include "kernels/philox.h"
#include "tests/kernels/fewbit_support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 300, HALF = LONGEST / 2, LONG = 131072 * 3 + 77 /* threads share it; its last part is odd */ };

/* The authors' own known answers (Random123, kat_vectors). */
Test(stochastic, philox_gives_the_published_numbers) {
  const struct philox zero = philox_at(0, 0, 0), ones = philox_at(UINT64_MAX, UINT64_MAX, UINT64_MAX);
  const struct philox pi =
      philox_at(UINT64_C(0x85a308d3243f6a88), UINT64_C(0x0370734413198a2e), UINT64_C(0x299f31d0a4093822));
  const uint32_t of_zero[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  const uint32_t of_ones[] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  const uint32_t of_pi[] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  cr_assert_arr_eq(zero.word, of_zero, sizeof of_zero);
  cr_assert_arr_eq(ones.word, of_ones, sizeof of_ones);
  cr_assert_arr_eq(pi.word, of_pi, sizeof of_pi);
}

static fewbit_quantizer *make_stochastic(const char *function, unsigned bits) {
  fewbit_quantizer *q = fewbit_make(function, bits), *stochastic = NULL;
  fewbit_error error;
  cr_assert_eq(fewbit_quantizer_stochastic(q, &stochastic, &error), FEWBIT_OK, "%s", error.message);
  fewbit_quantizer_free(q);
  return stochastic;
}

static double gelu_derivative(double x) {
  return 0.5 * erfc(-x * M_SQRT1_2) + x * exp(-0.5 * x * x) / sqrt(2 * M_PI);
}

/* The same x many times, so that its mean level is a mean of independent draws. */
static void expect_unbiased(const fewbit_quantizer *q, float at) {
  enum { DRAWS = 200000 };
  static float x[DRAWS], dx[DRAWS], one[DRAWS];
  static uint8_t codes[DRAWS];
  unsigned count;
  const float *levels = fewbit_quantizer_levels(q, &count);
  for (int i = 0; i < DRAWS; i++) {
    x[i] = at, one[i] = 1;
  }
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x, NULL, codes, DRAWS, 20240607, 0), FEWBIT_OK);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, one, dx, DRAWS), FEWBIT_OK);
  double sum = 0, low = -INFINITY, high = INFINITY;
  const double exact = gelu_derivative((double)at);
  for (unsigned i = 0; i < count; i++) {
    if ((double)levels[i] <= exact) {
      low = fmax(low, (double)levels[i]);
    } else {
      high = fmin(high, (double)levels[i]);
    }
  }
  for (int i = 0; i < DRAWS; i++) {
    sum += (double)dx[i];
    cr_assert((double)dx[i] == low || (double)dx[i] == high, "%g is no neighbour of %g", (double)dx[i], exact);
  }
  const double sigma = sqrt((exact - low) * (high - exact) / DRAWS);
  cr_assert_float_eq(sum / DRAWS, exact, 5 * sigma + 1e-12, "at %g: mean %.6f, not %.6f, sigma %g", (double)at,
                     sum / DRAWS, exact, sigma);
}

Test(stochastic, is_unbiased_over_the_whole_range) {
  for (unsigned bits = 1; bits <= 4; bits++) {
    fewbit_quantizer *q = make_stochastic("gelu", bits);
    for (int i = -20; i <= 20; i++) { /* where the derivative is least and greatest too: at +-sqrt(2) */
      expect_unbiased(q, (float)i * 0.25f);
    }
    expect_unbiased(q, (float)M_SQRT2);
    expect_unbiased(q, -(float)M_SQRT2);
    fewbit_quantizer_free(q);
  }
}

Test(stochastic, levels_span_the_derivative_and_ascend) {
  for (unsigned bits = 1; bits <= 8; bits++) {
    fewbit_quantizer *q = make_stochastic("gelu", bits);
    unsigned count;
    const float *levels = fewbit_quantizer_levels(q, &count);
    cr_assert_eq(count, 1u << bits);
    cr_assert_leq((double)levels[0], gelu_derivative(-M_SQRT2));
    cr_assert_geq((double)levels[count - 1], gelu_derivative(M_SQRT2));
    for (unsigned i = 1; i < count; i++) {
      cr_assert_lt(levels[i - 1], levels[i]);
    }
    fewbit_quantizer_free(q);
  }
}

/* The codes depend on seed and number only: not on the instruction set, nor on how an array is cut. */
Test(stochastic, is_the_same_however_it_is_run) {
  fewbit_quantizer *q = make_stochastic("silu", 3);
  float *x = fewbit_floats(LONG), *y = malloc(LONG * sizeof *y);
  const size_t size = fewbit_code_size(q, LONG);
  uint8_t *codes = malloc(size), *again = malloc(size);
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x, y, codes, LONG, 7, 1000), FEWBIT_OK);
  const size_t cut = 8 * 1237;
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x, y, again, cut, 7, 1000), FEWBIT_OK);
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x + cut, y + cut, again + fewbit_code_size(q, cut),
                                         LONG - cut, 7, 1000 + cut),
               FEWBIT_OK);
  cr_assert_arr_eq(codes, again, size);
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x, y, again, LONG, 8, 1000), FEWBIT_OK);
  cr_assert_neq(memcmp(codes, again, size), 0);
  setenv(FEWBIT_ISA_VARIABLE, "ref", 1);
  fewbit_quantizer *ref = make_stochastic("silu", 3);
  cr_assert_eq(fewbit_forward_stochastic(ref, FEWBIT_FLOAT32, x, NULL, again, LONG, 7, 1000), FEWBIT_OK);
  cr_assert_arr_eq(codes, again, size);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, y, codes, LONG), FEWBIT_ERROR_UNSUPPORTED);
  fewbit_quantizer_free(q);
  fewbit_quantizer_free(ref);
  free(x), free(y), free(codes), free(again);
}

/* Where f' is a level itself, chance has no say. */
Test(stochastic, leaves_exact_gradients_exact) {
  fewbit_quantizer *q = make_stochastic("relu", 1);
  float x[LONGEST], dx[LONGEST];
  uint8_t codes[LONGEST];
  for (int i = 0; i < LONGEST; i++) {
    x[i] = (float)(i - HALF);
  }
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x, NULL, codes, LONGEST, 3, 0), FEWBIT_OK);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, x, dx, LONGEST), FEWBIT_OK);
  for (int i = 0; i < LONGEST; i++) {
    cr_assert_eq(dx[i], x[i] > 0 ? x[i] : 0);
  }
  fewbit_quantizer_free(q);
}
