/* softplus and logsigmoid: max(z, 0) + log(1 + u), u = e^-|z|. */
#ifndef ACTSCOPE_KERNELS_VMATH_SOFTPLUS_H
#define ACTSCOPE_KERNELS_VMATH_SOFTPLUS_H

#include "kernels/vmath_exp.h"

/* 2^40 log(1 + e^-|z|), as (u - shift) + polynomial: the first part is exact and most of the value. The index of a
 * piece is the same for u and for 2^40 u, since there are four powers of two to a table. */
SIMD_INLINE vf vmath_log1p_exp_up(vf z) {
  const struct vmath_exp e = vmath_exp_up(vmath_minus_abs(z, VMATH_EXP_LIMIT));
  const float(*table)[VMATH_PIECES] = VMATH_TABLE(vmath_log1p);
  const vi piece = vmath_piece(vf_add(e.up, vf_set1(VMATH_TABLE(VMATH_LOG1P_FIRST) * 0x1p40f)));
  const vf d = vf_fms(e.up, vf_set1(VMATH_DOWN), vmath_pick(table[0], piece));
  const vf base = vf_sub(e.up, vmath_pick(table[1], piece));
  const vf rest = vmath_pieces(table + 2, VMATH_ROWS(VMATH_TABLE(vmath_log1p)) - 2, piece, d);
  return vf_add(base, vf_add(rest, e.up_low));
}

/* log(1 + e^(beta x)) / beta, and x where beta x > threshold. params: beta > 0, threshold, 2^-40 / beta. */
SIMD_INLINE vf vmath_softplus(vf x, const float *params) {
  const vf z = vf_mul(x, vf_set1(params[0]));
  const vm linear = vf_cmp_gt(z, vf_set1(params[1]));
  return vf_fma(vf_select(linear, vf_zero(), vmath_log1p_exp_up(z)), vf_set1(params[2]), vmath_positive_part(x));
}

/* -log(1 + e^-x) */
SIMD_INLINE vf vmath_logsigmoid(vf x, const float *params) {
  (void)params;
  return vf_fnma(vmath_log1p_exp_up(x), vf_set1(VMATH_DOWN), vf_min(vf_zero(), x));
}

#endif
