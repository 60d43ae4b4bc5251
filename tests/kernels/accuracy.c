/* Distances of floats from a double reference. */
#include "tests/kernels/accuracy.h"

#include <math.h>
#include <string.h>

void accuracy_reference(const struct function *function, const float *x, double *reference, size_t n) {
  for (size_t i = 0; i < n; i++) {
    reference[i] = function_value(function, x[i]);
  }
}

void accuracy_floats(float *x, size_t n, uint64_t first, uint64_t stride) {
  for (size_t i = 0; i < n; i++) {
    const uint32_t bits = (uint32_t)(first + i * stride);
    memcpy(x + i, &bits, sizeof bits);
  }
}

/* 1 / ulp of a float as large as `value`, from the double's exponent field. */
static double inverse_ulp(double value) {
  uint64_t bits;
  double inverse;
  memcpy(&bits, &value, sizeof bits);
  int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
  if (exponent < -126) {
    exponent = -126;
  }
  bits = (uint64_t)(1023 + 23 - exponent) << 52;
  memcpy(&inverse, &bits, sizeof inverse);
  return inverse;
}

/* Whether y is as finite as it should be. */
static int is_wrong(double reference, float y) {
  const float nearest = (float)reference;
  if (isnan(nearest) || isnan(y)) {
    return !isnan(nearest) || !isnan(y);
  }
  return (isinf(nearest) || isinf(y)) && nearest != y;
}

void accuracy_compare(struct accuracy *worst, const float *x, const double *reference, const float *y, size_t n,
                      double low, double high) {
  for (size_t i = 0; i < n; i++) {
    if (x[i] < low || x[i] > high) {
      continue; /* NaN stays */
    }
    if (is_wrong(reference[i], y[i])) {
      worst->wrong++;
      worst->wrong_x = x[i];
      continue;
    }
    if (isinf(y[i])) {
      continue; /* both are, or the real number rounds to it */
    }
    const double error = fabs(y[i] - reference[i]), ulp = error * inverse_ulp(reference[i]);
    if (ulp > worst->ulp) { /* NaN is not */
      worst->ulp = ulp;
      worst->ulp_x = x[i];
    }
    if (error > worst->absolute && fabsf(x[i]) <= 16) {
      worst->absolute = error;
      worst->absolute_x = x[i];
    }
  }
}
