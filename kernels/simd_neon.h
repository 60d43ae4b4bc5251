/* AArch64 Advanced SIMD: four lanes. See kernels/simd.h for what the names mean. */
#ifndef ACTSCOPE_KERNELS_SIMD_NEON_H
#define ACTSCOPE_KERNELS_SIMD_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VF_LANES 4
#define SIMD_NAME neon

typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm; /* all bits of a lane set, or none */

/* ---- memory ------------------------------------------------------------------------------------------------------ */

SIMD_INLINE vf vf_load(const float *p) {
  return vld1q_f32(p);
}
SIMD_INLINE void vf_store(float *p, vf x) {
  vst1q_f32(p, x);
}
/* There is no store past the cache for a single register. */
SIMD_INLINE void vf_stream(float *p, vf x) {
  vst1q_f32(p, x);
}
/* The first n lanes, n < VF_LANES; the others are zero. Nothing else is touched. */
SIMD_INLINE vf vf_load_n(const float *p, size_t n) {
  float lanes[4] = {0};
  memcpy(lanes, p, n * sizeof *p);
  return vld1q_f32(lanes);
}
SIMD_INLINE void vf_store_n(float *p, vf x, size_t n) {
  float lanes[4];
  vst1q_f32(lanes, x);
  memcpy(p, lanes, n * sizeof *p);
}
SIMD_INLINE vi vi_load(const void *p) {
  return vreinterpretq_s32_u8(vld1q_u8((const uint8_t *)p));
}
SIMD_INLINE void vi_store(void *p, vi x) {
  vst1q_u8((uint8_t *)p, vreinterpretq_u8_s32(x));
}
SIMD_INLINE vf vf_gather(const float *table, vi index) {
  const float lanes[4] = {table[vgetq_lane_s32(index, 0)], table[vgetq_lane_s32(index, 1)],
                          table[vgetq_lane_s32(index, 2)], table[vgetq_lane_s32(index, 3)]};
  return vld1q_f32(lanes);
}
SIMD_INLINE vi vi_gather(const int32_t *table, vi index) {
  const int32_t lanes[4] = {table[vgetq_lane_s32(index, 0)], table[vgetq_lane_s32(index, 1)],
                            table[vgetq_lane_s32(index, 2)], table[vgetq_lane_s32(index, 3)]};
  return vld1q_s32(lanes);
}

/* ---- floats ------------------------------------------------------------------------------------------------------ */

SIMD_INLINE vf vf_set1(float x) {
  return vdupq_n_f32(x);
}
SIMD_INLINE vf vf_zero(void) {
  return vdupq_n_f32(0.0f);
}
SIMD_INLINE vf vf_add(vf a, vf b) {
  return vaddq_f32(a, b);
}
SIMD_INLINE vf vf_sub(vf a, vf b) {
  return vsubq_f32(a, b);
}
SIMD_INLINE vf vf_mul(vf a, vf b) {
  return vmulq_f32(a, b);
}
SIMD_INLINE vf vf_div(vf a, vf b) {
  return vdivq_f32(a, b);
}
SIMD_INLINE vf vf_sqrt(vf a) {
  return vsqrtq_f32(a);
}
SIMD_INLINE vf vf_fma(vf a, vf b, vf c) {
  return vfmaq_f32(c, a, b);
}
SIMD_INLINE vf vf_fms(vf a, vf b, vf c) {
  return vfmaq_f32(vnegq_f32(c), a, b);
}
SIMD_INLINE vf vf_fnma(vf a, vf b, vf c) {
  return vfmsq_f32(c, a, b);
}
SIMD_INLINE vf vf_min(vf a, vf b) {
  return vbslq_f32(vcltq_f32(a, b), a, b);
}
SIMD_INLINE vf vf_max(vf a, vf b) {
  return vbslq_f32(vcgtq_f32(a, b), a, b);
}
SIMD_INLINE vf vf_abs(vf a) {
  return vabsq_f32(a);
}
SIMD_INLINE vf vf_neg(vf a) {
  return vnegq_f32(a);
}
SIMD_INLINE vf vf_and(vf a, vf b) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}
SIMD_INLINE vf vf_or(vf a, vf b) {
  return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}
SIMD_INLINE vf vf_xor(vf a, vf b) {
  return vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}
/* |magnitude| with the sign of the other. */
SIMD_INLINE vf vf_copysign(vf magnitude, vf sign) {
  return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude);
}
SIMD_INLINE vf vf_round(vf a) {
  return vrndnq_f32(a);
}
SIMD_INLINE vf vf_floor(vf a) {
  return vrndmq_f32(a);
}
/* 1/a to 12 bits or more on x86, 8 on NEON: a seed for Newton's method. */
SIMD_INLINE vf vf_rcp_seed(vf a) {
  return vrecpeq_f32(a);
}

/* ---- truth values ------------------------------------------------------------------------------------------------ */

SIMD_INLINE vm vf_cmp_lt(vf a, vf b) {
  return vcltq_f32(a, b);
}
SIMD_INLINE vm vf_cmp_le(vf a, vf b) {
  return vcleq_f32(a, b);
}
SIMD_INLINE vm vf_cmp_gt(vf a, vf b) {
  return vcgtq_f32(a, b);
}
SIMD_INLINE vm vf_cmp_ge(vf a, vf b) {
  return vcgeq_f32(a, b);
}
SIMD_INLINE vm vf_cmp_eq(vf a, vf b) {
  return vceqq_f32(a, b);
}
SIMD_INLINE vm vf_cmp_neq(vf a, vf b) {
  return vmvnq_u32(vceqq_f32(a, b));
}
SIMD_INLINE vm vf_cmp_unord(vf a, vf b) {
  return vmvnq_u32(vandq_u32(vceqq_f32(a, a), vceqq_f32(b, b)));
}
SIMD_INLINE vm vm_and(vm a, vm b) {
  return vandq_u32(a, b);
}
SIMD_INLINE vm vm_or(vm a, vm b) {
  return vorrq_u32(a, b);
}
SIMD_INLINE vm vm_not(vm a) {
  return vmvnq_u32(a);
}
/* Lane i in bit i. */
SIMD_INLINE unsigned vm_bits(vm a) {
  const uint32_t weights[4] = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(a, vld1q_u32(weights)));
}
SIMD_INLINE int vm_any(vm a) {
  return vmaxvq_u32(a) != 0;
}
SIMD_INLINE int vm_all(vm a) {
  return vminvq_u32(a) != 0;
}
/* m ? a : b */
SIMD_INLINE vf vf_select(vm m, vf a, vf b) {
  return vbslq_f32(m, a, b);
}
SIMD_INLINE vi vi_select(vm m, vi a, vi b) {
  return vbslq_s32(m, a, b);
}

/* ---- integers ---------------------------------------------------------------------------------------------------- */

SIMD_INLINE vi vi_set1(int32_t x) {
  return vdupq_n_s32(x);
}
SIMD_INLINE vi vi_zero(void) {
  return vdupq_n_s32(0);
}
SIMD_INLINE vi vi_add(vi a, vi b) {
  return vaddq_s32(a, b);
}
SIMD_INLINE vi vi_sub(vi a, vi b) {
  return vsubq_s32(a, b);
}
SIMD_INLINE vi vi_mul(vi a, vi b) {
  return vmulq_s32(a, b);
}
SIMD_INLINE vi vi_and(vi a, vi b) {
  return vandq_s32(a, b);
}
SIMD_INLINE vi vi_or(vi a, vi b) {
  return vorrq_s32(a, b);
}
SIMD_INLINE vi vi_xor(vi a, vi b) {
  return veorq_s32(a, b);
}
/* ~a & b */
SIMD_INLINE vi vi_andnot(vi a, vi b) {
  return vbicq_s32(b, a);
}
SIMD_INLINE vi vi_min(vi a, vi b) {
  return vminq_s32(a, b);
}
SIMD_INLINE vi vi_max(vi a, vi b) {
  return vmaxq_s32(a, b);
}
/* By the same, constant or not, number of bits: shl, shr (zeros come in), sra (the sign does). */
SIMD_INLINE vi vi_shl(vi a, int bits) {
  return vshlq_s32(a, vdupq_n_s32(bits));
}
SIMD_INLINE vi vi_shr(vi a, int bits) {
  return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(-bits)));
}
SIMD_INLINE vi vi_sra(vi a, int bits) {
  return vshlq_s32(a, vdupq_n_s32(-bits));
}
/* By each lane's own number of bits. */
SIMD_INLINE vi vi_shlv(vi a, vi bits) {
  return vshlq_s32(a, bits);
}
SIMD_INLINE vi vi_shrv(vi a, vi bits) {
  return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vnegq_s32(bits)));
}
SIMD_INLINE vm vi_cmp_eq(vi a, vi b) {
  return vceqq_s32(a, b);
}
SIMD_INLINE vm vi_cmp_gt(vi a, vi b) {
  return vcgtq_s32(a, b);
}
SIMD_INLINE vm vi_cmp_lt(vi a, vi b) {
  return vcltq_s32(a, b);
}

/* ---- between the two --------------------------------------------------------------------------------------------- */

SIMD_INLINE vi vf_to_vi(vf a) {
  return vcvtnq_s32_f32(a);
}
SIMD_INLINE vi vf_to_vi_trunc(vf a) {
  return vcvtq_s32_f32(a);
}
SIMD_INLINE vf vi_to_vf(vi a) {
  return vcvtq_f32_s32(a);
}
SIMD_INLINE vi vf_as_vi(vf a) {
  return vreinterpretq_s32_f32(a);
}
SIMD_INLINE vf vi_as_vf(vi a) {
  return vreinterpretq_f32_s32(a);
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
  *e = vf_sub(vi_to_vf(exponent), vf_select(denormal, vf_set1(24.0f), vf_zero()));
  return vi_as_vf(vi_sub(bits, vi_shl(exponent, 23)));
}

/* ---- tables in registers ----------------------------------------------------------------------------------------- */

typedef struct {
  uint8x16x4_t bytes;
} vtable16;

SIMD_INLINE vtable16 vtable16_load(const float table[16]) {
  vtable16 loaded;
  for (int i = 0; i < 4; i++) {
    loaded.bytes.val[i] = vreinterpretq_u8_f32(vld1q_f32(table + 4 * i));
  }
  return loaded;
}
/* The four byte indices of each lane: 4 index + {0, 1, 2, 3}. */
SIMD_INLINE uint8x16_t simd_byte_index(vi index) {
  return vreinterpretq_u8_s32(vmlaq_n_s32(vdupq_n_s32(0x03020100), index, 0x04040404));
}
/* table[index], 0 <= index < 16. */
SIMD_INLINE vf vtable16_at(vtable16 table, vi index) {
  return vreinterpretq_f32_u8(vqtbl4q_u8(table.bytes, simd_byte_index(index)));
}

typedef struct {
  vtable16 low, high;
} vtable32;

SIMD_INLINE vtable32 vtable32_load(const float table[32]) {
  return (vtable32){vtable16_load(table), vtable16_load(table + 16)};
}
/* table[index], 0 <= index < 32. */
SIMD_INLINE vf vtable32_at(vtable32 table, vi index) {
  const uint8x16_t bytes = simd_byte_index(index);
  const uint8x16_t low = vqtbl4q_u8(table.low.bytes, bytes); /* zero where the index is 16 or more */
  return vreinterpretq_f32_u8(vqtbx4q_u8(low, table.high.bytes, vsubq_u8(bytes, vdupq_n_u8(64))));
}

/* ---- half precision ---------------------------------------------------------------------------------------------- */

/* Lanes from and to 16-bit words: bits of bfloat16 or of IEEE half (fp16), rounded to nearest even. */
SIMD_INLINE vf vf_load_bf16(const uint16_t *p) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
SIMD_INLINE void vf_store_bf16(uint16_t *p, vf x) {
  const uint32x4_t bits = vreinterpretq_u32_f32(x);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
  const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
  vst1_u16(p, vshrn_n_u32(vbslq_u32(vf_cmp_unord(x, x), quiet, rounded), 16));
}
SIMD_INLINE vf vf_load_fp16(const uint16_t *p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
SIMD_INLINE void vf_store_fp16(uint16_t *p, vf x) {
  vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x)));
}

#endif
