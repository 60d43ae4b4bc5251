/* What needs no exponential: piecewise-linear functions, hardswish, softsign. NaN stays NaN in all. */
#ifndef ACTSCOPE_KERNELS_VMATH_SIMPLE_H
#define ACTSCOPE_KERNELS_VMATH_SIMPLE_H

#include "kernels/vmath_exp.h"

/* x / (1 + |x|), and its limit at the infinities. */
SIMD_INLINE vf vmath_softsign(vf x, const float *params) {
  (void)params;
  const vf t = vf_min(vf_set1(0x1p60f), vf_abs(x));
  return vf_copysign(vmath_divide(t, vf_add(t, vf_set1(1.0f))), x);
}

/* min(max(x + 3, 0), 6) / 6, the division rounded as a true one. */
SIMD_INLINE vf vmath_hardsigmoid(vf x, const float *params) {
  (void)params;
  const vf six = vf_set1(6.0f), sixth = vf_set1(1.0f / 6.0f);
  const vf gate = vf_min(six, vf_max(vf_zero(), vf_add(x, vf_set1(3.0f))));
  const vf quotient = vf_mul(gate, sixth);
  return vf_fma(vf_fnma(quotient, six, gate), sixth, quotient);
}

SIMD_INLINE vf vmath_hardswish(vf x, const float *params) {
  return vf_mul(vf_max(vf_set1(-3.0f), x), vmath_hardsigmoid(x, params)); /* -infinity times 0 would be NaN */
}

SIMD_INLINE vf vmath_relu(vf x, const float *params) {
  (void)params;
  return vmath_positive_part(x);
}

SIMD_INLINE vf vmath_relu6(vf x, const float *params) {
  (void)params;
  return vf_min(vf_set1(6.0f), vmath_positive_part(x));
}

/* params: slope */
SIMD_INLINE vf vmath_leaky_relu(vf x, const float *params) {
  return vf_select(vf_cmp_gt(x, vf_zero()), x, vf_mul(x, vf_set1(params[0])));
}

/* params: min, max */
SIMD_INLINE vf vmath_hardtanh(vf x, const float *params) {
  return vf_min(vf_set1(params[1]), vf_max(vf_set1(params[0]), x));
}

/* params: lambda */
SIMD_INLINE vf vmath_hardshrink(vf x, const float *params) {
  return vf_select(vf_cmp_le(vf_abs(x), vf_set1(params[0])), vf_zero(), x);
}

/* params: lambda */
SIMD_INLINE vf vmath_softshrink(vf x, const float *params) {
  const vf lambda = vf_set1(params[0]);
  return vf_select(vf_cmp_le(vf_abs(x), lambda), vf_zero(), vf_sub(x, vf_copysign(lambda, x)));
}

/* params: threshold, value */
SIMD_INLINE vf vmath_threshold(vf x, const float *params) {
  return vf_select(vf_cmp_le(x, vf_set1(params[0])), vf_set1(params[1]), x);
}

#endif
