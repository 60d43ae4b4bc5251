/* AVX-512 (F, BW, VL, DQ): sixteen lanes. See kernels/simd.h for what the names mean. */
#ifndef ACTSCOPE_KERNELS_SIMD_AVX512_H
#define ACTSCOPE_KERNELS_SIMD_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define VF_LANES 16
#define SIMD_NAME avx512

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

/* ---- memory ------------------------------------------------------------------------------------------------------ */

SIMD_INLINE vf vf_load(const float *p) {
  return _mm512_loadu_ps(p);
}
SIMD_INLINE void vf_store(float *p, vf x) {
  _mm512_storeu_ps(p, x);
}
/* Past the cache; p is aligned to 4 * VF_LANES bytes. */
SIMD_INLINE void vf_stream(float *p, vf x) {
  _mm512_stream_ps(p, x);
}
/* The first n lanes, n < VF_LANES; the others are zero. Nothing else is touched. */
SIMD_INLINE vf vf_load_n(const float *p, size_t n) {
  return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
SIMD_INLINE void vf_store_n(float *p, vf x, size_t n) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), x);
}
SIMD_INLINE vi vi_load(const void *p) {
  return _mm512_loadu_si512(p);
}
SIMD_INLINE void vi_store(void *p, vi x) {
  _mm512_storeu_si512(p, x);
}
SIMD_INLINE vf vf_gather(const float *table, vi index) {
  return _mm512_i32gather_ps(index, table, 4);
}
SIMD_INLINE vi vi_gather(const int32_t *table, vi index) {
  return _mm512_i32gather_epi32(index, table, 4);
}

/* ---- floats ------------------------------------------------------------------------------------------------------ */

SIMD_INLINE vf vf_set1(float x) {
  return _mm512_set1_ps(x);
}
SIMD_INLINE vf vf_zero(void) {
  return _mm512_setzero_ps();
}
SIMD_INLINE vf vf_add(vf a, vf b) {
  return _mm512_add_ps(a, b);
}
SIMD_INLINE vf vf_sub(vf a, vf b) {
  return _mm512_sub_ps(a, b);
}
SIMD_INLINE vf vf_mul(vf a, vf b) {
  return _mm512_mul_ps(a, b);
}
SIMD_INLINE vf vf_div(vf a, vf b) {
  return _mm512_div_ps(a, b);
}
SIMD_INLINE vf vf_sqrt(vf a) {
  return _mm512_sqrt_ps(a);
}
SIMD_INLINE vf vf_fma(vf a, vf b, vf c) {
  return _mm512_fmadd_ps(a, b, c);
}
SIMD_INLINE vf vf_fms(vf a, vf b, vf c) {
  return _mm512_fmsub_ps(a, b, c);
}
SIMD_INLINE vf vf_fnma(vf a, vf b, vf c) {
  return _mm512_fnmadd_ps(a, b, c);
}
SIMD_INLINE vf vf_min(vf a, vf b) {
  return _mm512_min_ps(a, b);
}
SIMD_INLINE vf vf_max(vf a, vf b) {
  return _mm512_max_ps(a, b);
}
SIMD_INLINE vf vf_abs(vf a) {
  return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
}
SIMD_INLINE vf vf_neg(vf a) {
  return _mm512_xor_ps(_mm512_set1_ps(-0.0f), a);
}
SIMD_INLINE vf vf_and(vf a, vf b) {
  return _mm512_and_ps(a, b);
}
SIMD_INLINE vf vf_or(vf a, vf b) {
  return _mm512_or_ps(a, b);
}
SIMD_INLINE vf vf_xor(vf a, vf b) {
  return _mm512_xor_ps(a, b);
}
/* |magnitude| with the sign of the other. */
SIMD_INLINE vf vf_copysign(vf magnitude, vf sign) {
  const __m512i sign_bit = _mm512_set1_epi32((int)0x80000000u);
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(sign_bit, _mm512_castps_si512(sign),
                                                       _mm512_castps_si512(magnitude), 0xca)); /* bit ? sign : mag */
}
SIMD_INLINE vf vf_round(vf a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
SIMD_INLINE vf vf_floor(vf a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
/* 1/a to 12 bits or more on x86, 8 on NEON: a seed for Newton's method. */
SIMD_INLINE vf vf_rcp_seed(vf a) {
  return _mm512_rcp14_ps(a);
}

/* ---- truth values ------------------------------------------------------------------------------------------------ */

SIMD_INLINE vm vf_cmp_lt(vf a, vf b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
SIMD_INLINE vm vf_cmp_le(vf a, vf b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
SIMD_INLINE vm vf_cmp_gt(vf a, vf b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}
SIMD_INLINE vm vf_cmp_ge(vf a, vf b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}
SIMD_INLINE vm vf_cmp_eq(vf a, vf b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
SIMD_INLINE vm vf_cmp_neq(vf a, vf b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ);
}
SIMD_INLINE vm vf_cmp_unord(vf a, vf b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q);
}
SIMD_INLINE vm vm_and(vm a, vm b) {
  return (vm)(a & b);
}
SIMD_INLINE vm vm_or(vm a, vm b) {
  return (vm)(a | b);
}
SIMD_INLINE vm vm_not(vm a) {
  return (vm)~a;
}
/* Lane i in bit i. */
SIMD_INLINE unsigned vm_bits(vm a) {
  return a;
}
SIMD_INLINE int vm_any(vm a) {
  return a != 0;
}
SIMD_INLINE int vm_all(vm a) {
  return a == 0xffff;
}
/* m ? a : b */
SIMD_INLINE vf vf_select(vm m, vf a, vf b) {
  return _mm512_mask_blend_ps(m, b, a);
}
SIMD_INLINE vi vi_select(vm m, vi a, vi b) {
  return _mm512_mask_blend_epi32(m, b, a);
}

/* ---- integers ---------------------------------------------------------------------------------------------------- */

SIMD_INLINE vi vi_set1(int32_t x) {
  return _mm512_set1_epi32(x);
}
SIMD_INLINE vi vi_zero(void) {
  return _mm512_setzero_si512();
}
SIMD_INLINE vi vi_add(vi a, vi b) {
  return _mm512_add_epi32(a, b);
}
SIMD_INLINE vi vi_sub(vi a, vi b) {
  return _mm512_sub_epi32(a, b);
}
SIMD_INLINE vi vi_mul(vi a, vi b) {
  return _mm512_mullo_epi32(a, b);
}
SIMD_INLINE vi vi_and(vi a, vi b) {
  return _mm512_and_si512(a, b);
}
SIMD_INLINE vi vi_or(vi a, vi b) {
  return _mm512_or_si512(a, b);
}
SIMD_INLINE vi vi_xor(vi a, vi b) {
  return _mm512_xor_si512(a, b);
}
/* ~a & b */
SIMD_INLINE vi vi_andnot(vi a, vi b) {
  return _mm512_andnot_si512(a, b);
}
SIMD_INLINE vi vi_min(vi a, vi b) {
  return _mm512_min_epi32(a, b);
}
SIMD_INLINE vi vi_max(vi a, vi b) {
  return _mm512_max_epi32(a, b);
}
/* By the same, constant or not, number of bits: shl, shr (zeros come in), sra (the sign does). */
SIMD_INLINE vi vi_shl(vi a, int bits) {
  return _mm512_slli_epi32(a, (unsigned)bits);
}
SIMD_INLINE vi vi_shr(vi a, int bits) {
  return _mm512_srli_epi32(a, (unsigned)bits);
}
SIMD_INLINE vi vi_sra(vi a, int bits) {
  return _mm512_srai_epi32(a, (unsigned)bits);
}
/* By each lane's own number of bits. */
SIMD_INLINE vi vi_shlv(vi a, vi bits) {
  return _mm512_sllv_epi32(a, bits);
}
SIMD_INLINE vi vi_shrv(vi a, vi bits) {
  return _mm512_srlv_epi32(a, bits);
}
SIMD_INLINE vm vi_cmp_eq(vi a, vi b) {
  return _mm512_cmpeq_epi32_mask(a, b);
}
SIMD_INLINE vm vi_cmp_gt(vi a, vi b) {
  return _mm512_cmpgt_epi32_mask(a, b);
}
SIMD_INLINE vm vi_cmp_lt(vi a, vi b) {
  return _mm512_cmplt_epi32_mask(a, b);
}

/* ---- between the two --------------------------------------------------------------------------------------------- */

SIMD_INLINE vi vf_to_vi(vf a) {
  return _mm512_cvt_roundps_epi32(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
SIMD_INLINE vi vf_to_vi_trunc(vf a) {
  return _mm512_cvttps_epi32(a);
}
SIMD_INLINE vf vi_to_vf(vi a) {
  return _mm512_cvtepi32_ps(a);
}
SIMD_INLINE vi vf_as_vi(vf a) {
  return _mm512_castps_si512(a);
}
SIMD_INLINE vf vi_as_vf(vi a) {
  return _mm512_castsi512_ps(a);
}
/* 2^n for -126 <= n <= 127. */
SIMD_INLINE vf vf_pow2(vi n) {
  return vi_as_vf(vi_shl(vi_add(n, vi_set1(127)), 23));
}
/* a 2^n for integral n given as float, |n| < 256, rounded once, denormals included. */
SIMD_INLINE vf vf_scalef(vf a, vf n) {
  return _mm512_scalef_ps(a, n);
}
/* a = m 2^e, 0.75 <= m < 1.5, for positive finite a, denormals included; e as float. */
SIMD_INLINE vf vf_significand(vf a, vf *e) {
  const vf m = _mm512_getmant_ps(a, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_src);
  const vf up = _mm512_getexp_ps(a);
  /* getexp is floor(log2 a), of m in [1, 2): one more where m came out below 1. */
  *e = _mm512_mask_add_ps(up, vf_cmp_lt(m, vf_set1(1.0f)), up, vf_set1(1.0f));
  return m;
}

/* ---- tables in registers ----------------------------------------------------------------------------------------- */

typedef struct {
  __m512 low;
} vtable16;

SIMD_INLINE vtable16 vtable16_load(const float table[16]) {
  return (vtable16){_mm512_loadu_ps(table)};
}
/* table[index], 0 <= index < 16. */
SIMD_INLINE vf vtable16_at(vtable16 table, vi index) {
  return _mm512_permutexvar_ps(index, table.low);
}

typedef struct {
  __m512 low, high;
} vtable32;

SIMD_INLINE vtable32 vtable32_load(const float table[32]) {
  return (vtable32){_mm512_loadu_ps(table), _mm512_loadu_ps(table + 16)};
}
/* table[index], 0 <= index < 32. */
SIMD_INLINE vf vtable32_at(vtable32 table, vi index) {
  return _mm512_permutex2var_ps(table.low, index, table.high);
}

/* ---- half precision ---------------------------------------------------------------------------------------------- */

/* Lanes from and to 16-bit words: bits of bfloat16 or of IEEE half (fp16), rounded to nearest even. */
SIMD_INLINE vf vf_from_bf16(__m256i bits) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
SIMD_INLINE __m256i vf_to_bf16(vf x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded =
      _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __m512i quiet = _mm512_or_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x40));
  return _mm512_cvtepi32_epi16(_mm512_mask_blend_epi32(vf_cmp_unord(x, x), rounded, quiet));
}
SIMD_INLINE vf vf_load_bf16(const uint16_t *p) {
  return vf_from_bf16(_mm256_loadu_si256((const __m256i *)p));
}
SIMD_INLINE void vf_store_bf16(uint16_t *p, vf x) {
  _mm256_storeu_si256((__m256i *)p, vf_to_bf16(x));
}
SIMD_INLINE vf vf_load_fp16(const uint16_t *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
SIMD_INLINE void vf_store_fp16(uint16_t *p, vf x) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

#endif
