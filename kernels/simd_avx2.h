/* AVX2 with FMA and F16C: eight lanes. See kernels/simd.h for what the names mean. */
#ifndef ACTSCOPE_KERNELS_SIMD_AVX2_H
#define ACTSCOPE_KERNELS_SIMD_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define VF_LANES 8
#define SIMD_NAME avx2

typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm; /* all bits of a lane set, or none */

/* ---- memory ------------------------------------------------------------------------------------------------------ */

SIMD_INLINE vf vf_load(const float *p) {
  return _mm256_loadu_ps(p);
}
SIMD_INLINE void vf_store(float *p, vf x) {
  _mm256_storeu_ps(p, x);
}
/* Past the cache; p is aligned to 4 * VF_LANES bytes. */
SIMD_INLINE void vf_stream(float *p, vf x) {
  _mm256_stream_ps(p, x);
}
SIMD_INLINE __m256i simd_first_lanes(size_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
/* The first n lanes, n < VF_LANES; the others are zero. Nothing else is touched. */
SIMD_INLINE vf vf_load_n(const float *p, size_t n) {
  return _mm256_maskload_ps(p, simd_first_lanes(n));
}
SIMD_INLINE void vf_store_n(float *p, vf x, size_t n) {
  _mm256_maskstore_ps(p, simd_first_lanes(n), x);
}
SIMD_INLINE vi vi_load(const void *p) {
  return _mm256_loadu_si256((const __m256i *)p);
}
SIMD_INLINE void vi_store(void *p, vi x) {
  _mm256_storeu_si256((__m256i *)p, x);
}
SIMD_INLINE vf vf_gather(const float *table, vi index) {
  return _mm256_i32gather_ps(table, index, 4);
}
SIMD_INLINE vi vi_gather(const int32_t *table, vi index) {
  return _mm256_i32gather_epi32((const int *)table, index, 4);
}

/* ---- floats ------------------------------------------------------------------------------------------------------ */

SIMD_INLINE vf vf_set1(float x) {
  return _mm256_set1_ps(x);
}
SIMD_INLINE vf vf_zero(void) {
  return _mm256_setzero_ps();
}
SIMD_INLINE vf vf_add(vf a, vf b) {
  return _mm256_add_ps(a, b);
}
SIMD_INLINE vf vf_sub(vf a, vf b) {
  return _mm256_sub_ps(a, b);
}
SIMD_INLINE vf vf_mul(vf a, vf b) {
  return _mm256_mul_ps(a, b);
}
SIMD_INLINE vf vf_div(vf a, vf b) {
  return _mm256_div_ps(a, b);
}
SIMD_INLINE vf vf_sqrt(vf a) {
  return _mm256_sqrt_ps(a);
}
SIMD_INLINE vf vf_fma(vf a, vf b, vf c) {
  return _mm256_fmadd_ps(a, b, c);
}
SIMD_INLINE vf vf_fms(vf a, vf b, vf c) {
  return _mm256_fmsub_ps(a, b, c);
}
SIMD_INLINE vf vf_fnma(vf a, vf b, vf c) {
  return _mm256_fnmadd_ps(a, b, c);
}
SIMD_INLINE vf vf_min(vf a, vf b) {
  return _mm256_min_ps(a, b);
}
SIMD_INLINE vf vf_max(vf a, vf b) {
  return _mm256_max_ps(a, b);
}
SIMD_INLINE vf vf_and(vf a, vf b) {
  return _mm256_and_ps(a, b);
}
SIMD_INLINE vf vf_or(vf a, vf b) {
  return _mm256_or_ps(a, b);
}
SIMD_INLINE vf vf_xor(vf a, vf b) {
  return _mm256_xor_ps(a, b);
}
SIMD_INLINE vf vf_abs(vf a) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
SIMD_INLINE vf vf_neg(vf a) {
  return _mm256_xor_ps(_mm256_set1_ps(-0.0f), a);
}
/* |magnitude| with the sign of the other. */
SIMD_INLINE vf vf_copysign(vf magnitude, vf sign) {
  return vf_or(vf_abs(magnitude), vf_and(_mm256_set1_ps(-0.0f), sign));
}
SIMD_INLINE vf vf_round(vf a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
SIMD_INLINE vf vf_floor(vf a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
/* 1/a to 11 bits or more on x86, 8 on NEON: a seed for Newton's method. */
SIMD_INLINE vf vf_rcp_seed(vf a) {
  return _mm256_rcp_ps(a);
}

/* ---- truth values ------------------------------------------------------------------------------------------------ */

SIMD_INLINE vm vf_cmp_lt(vf a, vf b) {
  return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
SIMD_INLINE vm vf_cmp_le(vf a, vf b) {
  return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}
SIMD_INLINE vm vf_cmp_gt(vf a, vf b) {
  return _mm256_cmp_ps(a, b, _CMP_GT_OQ);
}
SIMD_INLINE vm vf_cmp_ge(vf a, vf b) {
  return _mm256_cmp_ps(a, b, _CMP_GE_OQ);
}
SIMD_INLINE vm vf_cmp_eq(vf a, vf b) {
  return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}
SIMD_INLINE vm vf_cmp_neq(vf a, vf b) {
  return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ);
}
SIMD_INLINE vm vf_cmp_unord(vf a, vf b) {
  return _mm256_cmp_ps(a, b, _CMP_UNORD_Q);
}
SIMD_INLINE vm vm_and(vm a, vm b) {
  return _mm256_and_ps(a, b);
}
SIMD_INLINE vm vm_or(vm a, vm b) {
  return _mm256_or_ps(a, b);
}
SIMD_INLINE vm vm_not(vm a) {
  return _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1)));
}
/* Lane i in bit i. */
SIMD_INLINE unsigned vm_bits(vm a) {
  return (unsigned)_mm256_movemask_ps(a);
}
SIMD_INLINE int vm_any(vm a) {
  return vm_bits(a) != 0;
}
SIMD_INLINE int vm_all(vm a) {
  return vm_bits(a) == 0xff;
}
/* m ? a : b */
SIMD_INLINE vf vf_select(vm m, vf a, vf b) {
  return _mm256_blendv_ps(b, a, m);
}
SIMD_INLINE vi vi_select(vm m, vi a, vi b) {
  return _mm256_blendv_epi8(b, a, _mm256_castps_si256(m));
}

/* ---- integers ---------------------------------------------------------------------------------------------------- */

SIMD_INLINE vi vi_set1(int32_t x) {
  return _mm256_set1_epi32(x);
}
SIMD_INLINE vi vi_zero(void) {
  return _mm256_setzero_si256();
}
SIMD_INLINE vi vi_add(vi a, vi b) {
  return _mm256_add_epi32(a, b);
}
SIMD_INLINE vi vi_sub(vi a, vi b) {
  return _mm256_sub_epi32(a, b);
}
SIMD_INLINE vi vi_mul(vi a, vi b) {
  return _mm256_mullo_epi32(a, b);
}
SIMD_INLINE vi vi_and(vi a, vi b) {
  return _mm256_and_si256(a, b);
}
SIMD_INLINE vi vi_or(vi a, vi b) {
  return _mm256_or_si256(a, b);
}
SIMD_INLINE vi vi_xor(vi a, vi b) {
  return _mm256_xor_si256(a, b);
}
/* ~a & b */
SIMD_INLINE vi vi_andnot(vi a, vi b) {
  return _mm256_andnot_si256(a, b);
}
SIMD_INLINE vi vi_min(vi a, vi b) {
  return _mm256_min_epi32(a, b);
}
SIMD_INLINE vi vi_max(vi a, vi b) {
  return _mm256_max_epi32(a, b);
}
/* By the same, constant or not, number of bits: shl, shr (zeros come in), sra (the sign does). */
SIMD_INLINE vi vi_shl(vi a, int bits) {
  return _mm256_slli_epi32(a, bits);
}
SIMD_INLINE vi vi_shr(vi a, int bits) {
  return _mm256_srli_epi32(a, bits);
}
SIMD_INLINE vi vi_sra(vi a, int bits) {
  return _mm256_srai_epi32(a, bits);
}
/* By each lane's own number of bits. */
SIMD_INLINE vi vi_shlv(vi a, vi bits) {
  return _mm256_sllv_epi32(a, bits);
}
SIMD_INLINE vi vi_shrv(vi a, vi bits) {
  return _mm256_srlv_epi32(a, bits);
}
SIMD_INLINE vm vi_cmp_eq(vi a, vi b) {
  return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b));
}
SIMD_INLINE vm vi_cmp_gt(vi a, vi b) {
  return _mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b));
}
SIMD_INLINE vm vi_cmp_lt(vi a, vi b) {
  return vi_cmp_gt(b, a);
}

/* ---- between the two --------------------------------------------------------------------------------------------- */

/* The rounding mode is the default one, to nearest even, in every thread that calls the library. */
SIMD_INLINE vi vf_to_vi(vf a) {
  return _mm256_cvtps_epi32(a);
}
SIMD_INLINE vi vf_to_vi_trunc(vf a) {
  return _mm256_cvttps_epi32(a);
}
SIMD_INLINE vf vi_to_vf(vi a) {
  return _mm256_cvtepi32_ps(a);
}
SIMD_INLINE vi vf_as_vi(vf a) {
  return _mm256_castps_si256(a);
}
SIMD_INLINE vf vi_as_vf(vi a) {
  return _mm256_castsi256_ps(a);
}
/* 2^n for -126 <= n <= 127. */
SIMD_INLINE vf vf_pow2(vi n) {
  return vi_as_vf(vi_shl(vi_add(n, vi_set1(127)), 23));
}
/* a 2^n for integral n given as float, |n| < 256, rounded once if |a| is in [1/4, 4], denormals included. */
SIMD_INLINE vf vf_scalef(vf a, vf n) {
  const vi whole = vf_to_vi(n), half = vi_sra(whole, 1);
  return vf_mul(vf_mul(a, vf_pow2(half)), vf_pow2(vi_sub(whole, half)));
}
/* a = m 2^e, 0.75 <= m < 1.5, for positive finite a, denormals included; e as float. */
SIMD_INLINE vf vf_significand(vf a, vf *e) {
  const vm denormal = vf_cmp_lt(a, vf_set1(0x1p-126f));
  const vi bits = vf_as_vi(vf_select(denormal, vf_mul(a, vf_set1(0x1p24f)), a));
  const vi above = vi_sub(bits, vi_set1(0x3f400000)); /* relative to 0.75: its top bits are the exponent wanted */
  const vi exponent = vi_sra(above, 23);
  *e = vf_sub(vi_to_vf(exponent), vf_and(denormal, vf_set1(24.0f)));
  return vi_as_vf(vi_sub(bits, vi_shl(exponent, 23)));
}

/* ---- tables in registers ----------------------------------------------------------------------------------------- */

typedef struct {
  __m256 low, high;
} vtable16;

SIMD_INLINE vtable16 vtable16_load(const float table[16]) {
  return (vtable16){_mm256_loadu_ps(table), _mm256_loadu_ps(table + 8)};
}
/* table[index], 0 <= index < 16. */
SIMD_INLINE vf vtable16_at(vtable16 table, vi index) {
  const __m256 low = _mm256_permutevar8x32_ps(table.low, index), high = _mm256_permutevar8x32_ps(table.high, index);
  return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)));
}

typedef struct {
  vtable16 low, high;
} vtable32;

SIMD_INLINE vtable32 vtable32_load(const float table[32]) {
  return (vtable32){vtable16_load(table), vtable16_load(table + 16)};
}
/* table[index], 0 <= index < 32. */
SIMD_INLINE vf vtable32_at(vtable32 table, vi index) {
  return _mm256_blendv_ps(vtable16_at(table.low, index), vtable16_at(table.high, index),
                          _mm256_castsi256_ps(_mm256_slli_epi32(index, 27)));
}

/* ---- half precision ---------------------------------------------------------------------------------------------- */

/* Lanes from and to 16-bit words: bits of bfloat16 or of IEEE half (fp16), rounded to nearest even. */
SIMD_INLINE vf vf_from_bf16(__m128i bits) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
SIMD_INLINE __m128i vf_to_bf16(vf x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded =
      _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
  const __m256i words = vi_select(vf_cmp_unord(x, x), quiet, rounded);
  return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
SIMD_INLINE vf vf_load_bf16(const uint16_t *p) {
  return vf_from_bf16(_mm_loadu_si128((const __m128i *)p));
}
SIMD_INLINE void vf_store_bf16(uint16_t *p, vf x) {
  _mm_storeu_si128((__m128i *)p, vf_to_bf16(x));
}
SIMD_INLINE vf vf_load_fp16(const uint16_t *p) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
SIMD_INLINE void vf_store_fp16(uint16_t *p, vf x) {
  _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

#endif
