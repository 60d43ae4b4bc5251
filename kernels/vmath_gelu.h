/* gelu(x) = x Phi(x) = max(x, 0) - S(t), S(t) = t Phi(-t), t = |x|. */
#ifndef ACTSCOPE_KERNELS_VMATH_GELU_H
#define ACTSCOPE_KERNELS_VMATH_GELU_H

#include "kernels/vmath_exp.h"

/* Anywhere: Phi(-t) = e^(-t^2/2) G(t), where G is so smooth that pieces of low degree do. The left tail keeps its
 * relative accuracy down to the smallest float. */
SIMD_INLINE vf vmath_gelu_far(vf x) {
  const vf t = vf_min(vf_set1(14.875f), vf_abs(x)); /* S is 0 from 14.2 on */
  const struct vmath_exp e = vmath_exp_product_up(vf_mul(t, vf_set1(-0.5f)), t, vf_set1(-0.0f));
  const float(*table)[VMATH_PIECES] = VMATH_TABLE(vmath_gelu_far);
  const vi piece = vmath_piece(vf_add(t, vf_set1(VMATH_TABLE(VMATH_GELU_FAR_FIRST))));
  const vf d = vf_sub(t, vmath_pick(table[0], piece));
  const vf g = vmath_pieces(table + 1, VMATH_ROWS(VMATH_TABLE(vmath_gelu_far)) - 1, piece, d);
  const vf s_up = vf_fma(vf_mul(t, e.up), g, vf_mul(vf_mul(t, e.up_low), g));
  return vf_fnma(s_up, vf_set1(VMATH_DOWN), vmath_positive_part(x));
}

/* In the middle, where nearly all lie, pieces of S itself, centred at multiples of 1/8 (or 1/2): adding `round` leaves
 * the index of the nearest in the low bits; the limit itself would be rounded up, to one more. Lanes farther out take
 * the way for anywhere, and no others: what comes out must not depend on an element's neighbours. */
SIMD_INLINE vf vmath_gelu(vf x, const float *params) {
  (void)params;
  const vf t = vf_abs(x);
  const vm far = vf_cmp_ge(t, vf_set1(VMATH_TABLE(VMATH_GELU_NEAR_LIMIT)));
  const vf round = vf_set1(VMATH_TABLE(VMATH_GELU_NEAR_ROUND)), rounded = vf_add(t, round);
  const float(*table)[VMATH_PIECES] = VMATH_TABLE(vmath_gelu_near);
  const vf s = vmath_pieces(table, VMATH_ROWS(VMATH_TABLE(vmath_gelu_near)), vf_as_vi(rounded),
                            vf_sub(t, vf_sub(rounded, round)));
  const vf near = vf_sub(vmath_positive_part(x), s);
  if (__builtin_expect(vm_any(far), 0)) {
    return vf_select(far, vmath_gelu_far(x), near);
  }
  return near;
}

#endif
