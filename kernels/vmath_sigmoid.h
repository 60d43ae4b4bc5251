/* sigmoid and the functions x sigmoid(...): silu, gelu's tanh form, mish. All by u = e^-|z| <= 1, so that nothing
 * overflows, and by h = u / (1 + u), sigmoid(-|z|) = u (1 - h): the error of h, the greater of them, is that of a small
 * part. y = max(x, 0) - |x| u (1 - h) keeps the relative accuracy of both tails. */
#ifndef ACTSCOPE_KERNELS_VMATH_SIGMOID_H
#define ACTSCOPE_KERNELS_VMATH_SIGMOID_H

#include "kernels/vmath_exp.h"

/* 1 + u */
SIMD_INLINE vf vmath_one_plus(struct vmath_exp e) {
  return vf_fma(e.up, vf_set1(VMATH_DOWN), vf_set1(1.0f));
}

SIMD_INLINE vf vmath_sigmoid(vf x, const float *params) {
  (void)params;
  const struct vmath_exp e = vmath_exp_up(vmath_minus_abs(x, VMATH_EXP_LIMIT));
  const vf whole = vmath_where_negative(x, e.up, vf_set1(0x1p40f));
  return vf_mul(vf_fnma(whole, vmath_divide_roughly(e.u, vmath_one_plus(e)), whole), vf_set1(VMATH_DOWN));
}

/* max(x, 0) - t q 2^-40 */
SIMD_INLINE vf vmath_gate(vf x, vf minus_t, vf q_up) {
  return vf_fma(vf_mul(minus_t, q_up), vf_set1(VMATH_DOWN), vmath_positive_part(x));
}

SIMD_INLINE vf vmath_silu(vf x, const float *params) {
  (void)params;
  const vf minus_t = vmath_minus_abs(x, VMATH_EXP_LIMIT);
  const struct vmath_exp e = vmath_exp_up(minus_t);
  const vf share = vmath_divide(e.u, vmath_one_plus(e));
  /* The left tail, where y is all but x e^x, wants the low part of e^x too. */
  const vf q = vf_fnma(e.up, share, e.up), q_low = vf_fnma(e.up_low, share, e.up_low);
  return vf_fma(vf_fma(minus_t, q, vf_mul(minus_t, q_low)), vf_set1(VMATH_DOWN), vmath_positive_part(x));
}

/* x sigmoid(z), z = x (a + b x^2), a = 2 sqrt(2 / pi), b = 0.044715 a. In the left tail an error of z is the
 * logarithm of y's: z is computed to some 40 bits, as -t (w + w_low). a's first part ends at 2^-20, so that w - a is
 * exact; beyond |x| = 11 y is 0 or x. */
SIMD_INLINE vf vmath_gelu_tanh(vf x, const float *params) {
  (void)params;
  const vf a = vf_set1(0x1.98845p+0f), a_low = vf_set1(0x1.9ea1b2p-23f);
  const vf b = vf_set1(0x1.2444f2p-4f), b_low = vf_set1(0x1.49b16ap-29f);
  const vf minus_t = vmath_minus_abs(x, 11.0f);
  const vf square = vf_mul(minus_t, minus_t), square_low = vf_fms(minus_t, minus_t, square);
  const vf w = vf_fma(b, square, a);
  const vf rounding = vf_fms(b, square, vf_sub(w, a));
  const vf w_low = vf_add(vf_fma(b, square_low, rounding), vf_fma(b_low, square, a_low));
  const struct vmath_exp e = vmath_exp_product_up(minus_t, w, vf_mul(minus_t, w_low));
  return vmath_gate(x, minus_t, vf_fnma(e.up, vmath_divide_roughly(e.u, vmath_one_plus(e)), e.up));
}

/* x tanh(log(1 + e^x)). With u = e^-|x|:
 *   x < 0: x m / (1 + m), m = u + u^2 / 2;   x > 0: x - x n / (1 + 2u + n), n = 2u^2. */
SIMD_INLINE vf vmath_mish(vf x, const float *params) {
  (void)params;
  const vf one = vf_set1(1.0f), down = vf_set1(VMATH_DOWN);
  const vf minus_t = vmath_minus_abs(x, VMATH_EXP_LIMIT);
  const struct vmath_exp e = vmath_exp_up(minus_t);
  const vf twice = vf_add(e.u, e.u);
  const vf part_up = vmath_where_negative(x, vf_fma(vf_mul(e.u, vf_set1(0.5f)), e.up, e.up), vf_mul(twice, e.up));
  const vf base = vmath_where_negative(x, one, vf_add(twice, one));
  const vf sum = vf_fma(part_up, down, base), sum_low = vf_fma(part_up, down, vf_sub(base, sum));
  return vmath_gate(x, minus_t, vmath_divide_by_sum(part_up, sum, sum_low));
}

#endif
