/* The pieces that the other vmath headers share: e^z, its polynomials, a division, pieces of polynomials in tables.
 *
 * The exponential is the textbook's: z = n log 2 + r, |r| <= log(2) / 2, e^z = 2^n P(r). What is not: results below the
 * normal range (from z = -87 on) must still be rounded once, and multiplied by x before that, so that e^z is
 * kept 2^40 times too large, and the last operation of each function takes the factor out. */
#ifndef ACTSCOPE_KERNELS_VMATH_EXP_H
#define ACTSCOPE_KERNELS_VMATH_EXP_H

#include "kernels/simd.h"
#include "kernels/vmath_tables.h"

#define VMATH_LOG2E 0x1.715476p+0f
/* log 2 in two: n times the first, of ten bits, is exact. */
#define VMATH_LN2_HIGH 0.693359375f
#define VMATH_LN2_LOW -2.12194440e-4f
/* Added to a number below 2^22, it leaves the nearest integer in the low bits of the sum. */
#define VMATH_ROUND 0x1.8p23f

/* Before loops over coefficients. clang unrolls them whole by itself, and worse if asked. */
#if defined(__clang__)
#define VMATH_UNROLL
#else
#define VMATH_UNROLL _Pragma("GCC unroll 8")
#endif

#define VMATH_UP 40
#define VMATH_DOWN 0x1p-40f
/* |x| times this much underflows: from here on e^-|x| need not get smaller. Larger ones would leave the range of n. */
#define VMATH_EXP_LIMIT 110.0f

/* -|x|, but not below -limit. NaN stays. */
SIMD_INLINE vf vmath_minus_abs(vf x, float limit) {
  return vf_max(vf_set1(-limit), vf_or(x, vf_set1(-0.0f)));
}

/* max(x, 0), which keeps NaN and -0. */
SIMD_INLINE vf vmath_positive_part(vf x) {
  return vf_max(vf_zero(), x);
}

/* a where x has a minus sign, else b. */
SIMD_INLINE vf vmath_where_negative(vf x, vf a, vf b) {
#if defined(__AVX512DQ__)
  return _mm512_mask_blend_ps(_mm512_movepi32_mask(_mm512_castps_si512(x)), b, a);
#elif defined(__AVX2__)
  return _mm256_blendv_ps(b, a, x);
#else
  return vf_select(vf_cmp_lt(x, vf_zero()), a, b);
#endif
}

/* c0 + c1 r + ... + c4 r^4 by pairs: the processor waits for the longest chain more than it works. */
SIMD_INLINE vf vmath_polynomial(vf r, vf r2, const float c[5]) {
  const vf low = vf_fma(r, vf_set1(c[1]), vf_set1(c[0])), high = vf_fma(r, vf_set1(c[3]), vf_set1(c[2]));
  return vf_fma(vf_fma(vf_set1(c[4]), r2, high), r2, low);
}

/* 2^40 e^z as the sum of a float and its error, and e^z of the float only. What is not used costs nothing. */
struct vmath_exp {
  vf up, up_low, u;
};

/* 2^40 2^n e^r. The low bits of `biased` are n + 40 + 127, the exponent field of that power of two. */
SIMD_INLINE struct vmath_exp vmath_exp_finish(vf biased, vf r) {
  const vf r2 = vf_mul(r, r), rest = vf_fma(vmath_polynomial(r, r2, vmath_exp_coefficients), r2, r);
  const vf scale = vi_as_vf(vi_shl(vf_as_vi(biased), 23));
  const vf up = vf_fma(rest, scale, scale);
  return (struct vmath_exp){up, vf_fma(rest, scale, vf_sub(scale, up)), vf_mul(up, vf_set1(VMATH_DOWN))};
}

#define VMATH_EXP_ROUND (VMATH_ROUND + VMATH_UP + 127)

/* The same of e^z for -112 <= z <= 0. */
SIMD_INLINE struct vmath_exp vmath_exp_up(vf z) {
  const vf round = vf_set1(VMATH_EXP_ROUND);
  const vf biased = vf_fma(z, vf_set1(VMATH_LOG2E), round);
  const vf n = vf_sub(biased, round);
  const vf r = vf_fnma(n, vf_set1(VMATH_LN2_LOW), vf_fnma(n, vf_set1(VMATH_LN2_HIGH), z));
  return vmath_exp_finish(biased, r);
}

/* Of e^(ab + low) for -112 <= ab <= 0. ab is not rounded, which would put the result off by a hundred ulp. */
SIMD_INLINE struct vmath_exp vmath_exp_product_up(vf a, vf b, vf low) {
  const vf round = vf_set1(VMATH_EXP_ROUND);
  const vf biased = vf_fma(vf_mul(a, b), vf_set1(VMATH_LOG2E), round);
  const vf n = vf_sub(biased, round);
  const vf rough = vf_fms(a, b, vf_mul(n, vf_set1(VMATH_LN2_HIGH)));
  return vmath_exp_finish(biased, vf_add(vf_fnma(n, vf_set1(VMATH_LN2_LOW), rough), low));
}

/* a / b for 1 <= b <= 2^80, |a| <= 2^80. AVX-512's divider takes 16 cycles for a vector, Newton's method four or so. */
SIMD_INLINE vf vmath_divide(vf a, vf b) {
#if VF_LANES == 16
  const vf seed = vf_rcp_seed(b);
  const vf inverse = vf_fma(seed, vf_fnma(b, seed, vf_set1(1.0f)), seed);
  const vf quotient = vf_mul(a, inverse);
  return vf_fma(vf_fnma(quotient, b, a), inverse, quotient);
#else
  return vf_div(a, b);
#endif
}

/* a / (b + b_low), rounded nearly once, for the same. */
SIMD_INLINE vf vmath_divide_by_sum(vf a, vf b, vf b_low) {
#if VF_LANES == 16
  const vf seed = vf_rcp_seed(b);
  const vf inverse = vf_fma(seed, vf_fnma(b, seed, vf_set1(1.0f)), seed);
  const vf quotient = vf_mul(a, inverse);
#else
  const vf inverse = vf_rcp_seed(b), quotient = vf_div(a, b);
#endif
  return vf_fma(vf_fnma(quotient, b_low, vf_fnma(quotient, b, a)), inverse, quotient);
}

/* a / b, wrong by an ulp at most: for quotients that are a small part of the result. */
SIMD_INLINE vf vmath_divide_roughly(vf a, vf b) {
#if VF_LANES == 16
  const vf seed = vf_rcp_seed(b), rough = vf_mul(a, seed);
  return vf_fma(rough, vf_fnma(b, seed, vf_set1(1.0f)), rough);
#else
  return vf_div(a, b);
#endif
}

/* ---- piecewise polynomials ----------------------------------------------------------------------------------------
 * A piece is found by the leading bits of v = t + first: so many pieces to a power of two, four powers of two in all.
 * Coefficients stand in registers and are picked by a permutation: 32 pieces on AVX-512, else 8 of a higher degree.
 * Only the index's low bits count (5 or 3); tables are rotated to that. */

#if VF_LANES == 16
#define VMATH_PIECES 32
#define VMATH_PIECE_SHIFT 20
#define VMATH_TABLE(name) name##_32
#else
#define VMATH_PIECES 8
#define VMATH_PIECE_SHIFT 22
#define VMATH_TABLE(name) name##_8
#endif

SIMD_INLINE vi vmath_piece(vf v) {
  return vi_shr(vf_as_vi(v), VMATH_PIECE_SHIFT);
}

SIMD_INLINE vf vmath_pick(const float row[VMATH_PIECES], vi piece) {
#if VF_LANES == 16
  return _mm512_permutex2var_ps(_mm512_load_ps(row), piece, _mm512_load_ps(row + 16));
#elif VF_LANES == 8
  return _mm256_permutevar8x32_ps(_mm256_load_ps(row), piece);
#else
  const vi index = vi_and(piece, vi_set1(7));
  const uint8x16x2_t bytes = {{vreinterpretq_u8_f32(vld1q_f32(row)), vreinterpretq_u8_f32(vld1q_f32(row + 4))}};
  return vreinterpretq_f32_u8(vqtbl2q_u8(bytes, simd_byte_index(index)));
#endif
}

/* c0 + d (c1 + d c2 + ...) by the piece's coefficients, one row of the table each, 4 <= count <= 9; the bracket by
 * pairs, the constant last, for accuracy. */
SIMD_INLINE vf vmath_pieces(const float rows[][VMATH_PIECES], int count, vi piece, vf d) {
  const vf d2 = vf_mul(d, d);
  vf pairs[4];
  VMATH_UNROLL
  for (int i = 1; i < count; i += 2) {
    const vf even = vmath_pick(rows[i], piece);
    pairs[i / 2] = i + 1 < count ? vf_fma(vmath_pick(rows[i + 1], piece), d, even) : even;
  }
  vf high = pairs[(count - 2) / 2];
  VMATH_UNROLL
  for (int i = (count - 2) / 2 - 1; i >= 0; i--) {
    high = vf_fma(high, d2, pairs[i]);
  }
  return vf_fma(high, d, vmath_pick(rows[0], piece));
}

#define VMATH_ROWS(table) ((int)(sizeof(table) / sizeof *(table)))

#endif
