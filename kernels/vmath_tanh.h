/* tanh and x - tanh(x), by piecewise polynomials in |x|; from 9.02 on tanh is 1. */
#ifndef ACTSCOPE_KERNELS_VMATH_TANH_H
#define ACTSCOPE_KERNELS_VMATH_TANH_H

#include "kernels/vmath_exp.h"

/* tanh t = (min(t, knee) - shift) + polynomial: the first part is exact and most of the value, and what is left of
 * the slope is small on both sides of the knee. */
SIMD_INLINE vf vmath_tanh(vf x, const float *params) {
  (void)params;
  const vf t = vf_min(vf_set1(VMATH_TANH_ONE), vf_abs(x));
  const float(*table)[VMATH_PIECES] = VMATH_TABLE(vmath_tanh);
  const vi piece = vmath_piece(vf_add(t, vf_set1(VMATH_TABLE(VMATH_TANH_FIRST))));
  const vf d = vf_sub(t, vmath_pick(table[0], piece));
  const vf base = vf_sub(vf_min(vf_set1(VMATH_TABLE(VMATH_TANH_KNEE)), t), vmath_pick(table[1], piece));
  const vf rest = vmath_pieces(table + 2, VMATH_ROWS(VMATH_TABLE(vmath_tanh)) - 2, piece, d);
  return vf_copysign(vf_add(base, rest), x);
}

/* Below the knee t - tanh t = t^3 K(t), so that nothing cancels near 0; above, (t - shift) - polynomial. */
SIMD_INLINE vf vmath_tanhshrink(vf x, const float *params) {
  (void)params;
  const vf whole = vf_abs(x), t = vf_min(vf_set1(VMATH_TANH_ONE), whole);
  const float(*table)[VMATH_PIECES] = VMATH_TABLE(vmath_tanhshrink);
  const vf v = vf_add(t, vf_set1(VMATH_TABLE(VMATH_TANHSHRINK_FIRST)));
  const vi piece = vmath_piece(v);
  const vf d = vf_sub(t, vmath_pick(table[0], piece));
  const vf sum = vmath_pieces(table + 2, VMATH_ROWS(VMATH_TABLE(vmath_tanhshrink)) - 2, piece, d);
  const vm near_zero = vf_cmp_lt(v, vf_set1(VMATH_TABLE(VMATH_TANHSHRINK_KNEE))); /* as rounded as the piece is */
  const vf factor = vf_select(near_zero, vf_mul(t, vf_mul(t, t)), vf_set1(1.0f));
  const vf base = vf_select(near_zero, vf_zero(), vf_sub(whole, vmath_pick(table[1], piece)));
  return vf_copysign(vf_fma(factor, sum, base), x);
}

#endif
