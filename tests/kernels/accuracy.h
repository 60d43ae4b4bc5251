/* How far float results are from the real number, in units of the last place (ulp) and absolutely. The reference is
 * function_value() in double, which has 29 bits more. Shared with bench/accuracy.c; no test framework. */
#ifndef ACTSCOPE_TESTS_KERNELS_ACCURACY_H
#define ACTSCOPE_TESTS_KERNELS_ACCURACY_H

#include "kernels/function.h"

#include <stddef.h>
#include <stdint.h>

/* The worst so far; begin with zeros. */
struct accuracy {
  double ulp, ulp_x;           /* an ulp is that of the real number's power of two; of denormals, 2^-149 */
  double absolute, absolute_x; /* where |x| <= 16: beyond, half an ulp of x itself would be all one sees */
  uint64_t wrong;              /* NaN, infinity or overflow on one side only */
  double wrong_x;
};

void accuracy_reference(const struct function *function, const float *x, double *reference, size_t n);

/* Only x from low to high count. */
void accuracy_compare(struct accuracy *worst, const float *x, const double *reference, const float *y, size_t n,
                      double low, double high);

/* x[i] is the float whose bits are first + i * stride, modulo 2^32. */
void accuracy_floats(float *x, size_t n, uint64_t first, uint64_t stride);

#endif
