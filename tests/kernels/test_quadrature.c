/* Quadrature against integrals that are known. */
#include "kernels/quadrature.h"

#include <criterion/criterion.h>
#include <math.h>

static void powers(double x, double *values, void *context) {
  (*(unsigned *)context)++;
  values[0] = exp(x);
  values[1] = 1 / (1 + 1e6 * (x - 0.3) * (x - 0.3)); /* a peak of width 1e-3 */
}

Test(quadrature, known_integrals) {
  double sums[QUADRATURE_VALUES] = {0};
  unsigned calls = 0;
  quadrature_add(powers, &calls, 2, 0, 1, sums);
  cr_expect_float_eq(sums[0], M_E - 1, 1e-14);
  cr_expect_float_eq(sums[1], (atan(700) + atan(300)) / 1000, 1e-15);
  cr_expect_lt(calls, 5000u);
}

/* An integrand with noise of 1e-7 never converges to 1e-11; it must end nevertheless. */
static void noisy(double x, double *values, void *context) {
  (*(unsigned *)context)++;
  values[0] = (double)expf(-(float)x * (float)x);
}

Test(quadrature, noise_does_not_recurse_for_ever) {
  double sums[QUADRATURE_VALUES] = {0};
  unsigned calls = 0;
  quadrature_add(noisy, &calls, 1, -3, 3, sums);
  cr_expect_float_eq(sums[0], sqrt(M_PI) * erf(3), 1e-6);
  cr_expect_lt(calls, 100000u, "%u calls", calls);
}

Test(quadrature, mass_of_weights) {
  struct weight uniform = {WEIGHT_UNIFORM, -1, 1, NULL}, normal = {WEIGHT_NORMAL, 0, 1, NULL};
  struct function function;
  struct integrals result;
  function_init(&function, FUNCTION_SIGMOID);
  result = quadrature_integrals(&function, &uniform, -0.5, 0.5);
  cr_expect_float_eq(result.mass, 1, 1e-15);
  cr_expect_float_eq(result.first, tanh(0.25), 1e-15);
  result = quadrature_integrals(&function, &normal, 8, 9); /* a tail, to relative accuracy */
  cr_expect_float_eq(result.mass / 6.2198319858658e-16, 1, 1e-8, "%.12g", result.mass);
  result = quadrature_integrals(&function, &uniform, 0.5, 0.5);
  cr_expect_eq(result.mass, 0);
}
