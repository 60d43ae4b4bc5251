/* elu, celu, selu: linear from 0 on, e^x - 1 below. */
#ifndef ACTSCOPE_KERNELS_VMATH_ELU_H
#define ACTSCOPE_KERNELS_VMATH_ELU_H

#include "kernels/vmath_exp.h"

/* e^z - 1 = 2^n p + (2^n - 1), p = e^r - 1, for z <= 88; NaN stays. */
SIMD_INLINE vf vmath_expm1(vf z) {
  const vf clamped = vf_max(vf_set1(-30.0f), z); /* -1 long before */
  const vf round = vf_set1(VMATH_ROUND + 127);
  const vf biased = vf_fma(clamped, vf_set1(VMATH_LOG2E), round); /* low bits: n + 127, the exponent field of 2^n */
  const vf n = vf_sub(biased, round);
  const vf r = vf_fnma(n, vf_set1(VMATH_LN2_LOW), vf_fnma(n, vf_set1(VMATH_LN2_HIGH), clamped));
  const vf r2 = vf_mul(r, r);
  const vf p = vf_fma(r2, vmath_polynomial(r, r2, vmath_expm1_coefficients), r);
  const vf scale = vi_as_vf(vi_shl(vf_as_vi(biased), 23));
  return vf_fma(scale, p, vf_sub(scale, vf_set1(1.0f)));
}

/* params: alpha */
SIMD_INLINE vf vmath_elu(vf x, const float *params) {
  const vf below = vf_mul(vmath_expm1(x), vf_set1(params[0]));
  return vf_select(vf_cmp_ge(x, vf_zero()), x, below); /* not >: -0 stays */
}

/* params: alpha, 1 / alpha */
SIMD_INLINE vf vmath_celu(vf x, const float *params) {
  const vf below = vf_mul(vmath_expm1(vf_mul(x, vf_set1(params[1]))), vf_set1(params[0]));
  return vf_select(vf_cmp_ge(x, vf_zero()), x, below);
}

/* Each constant in two parts, the second positive: infinity times both must not be infinity minus infinity. */
SIMD_INLINE vf vmath_selu(vf x, const float *params) {
  (void)params;
  const vm above = vf_cmp_ge(x, vf_zero());
  const vf factor = vf_select(above, x, vmath_expm1(x));
  const vf high = vf_select(above, vf_set1(0x1.0cfabcp+0f), vf_set1(0x1.c212ccp+0f));
  const vf low = vf_select(above, vf_set1(0x1.6a9114p-24f), vf_set1(0x1.903c0cp-26f));
  return vf_fma(factor, high, vf_mul(factor, low));
}

#endif
