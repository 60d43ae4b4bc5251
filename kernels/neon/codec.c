/* Encode and decode with AArch64 Advanced SIMD, 16 elements a turn: as avx512/codec.c, with four lanes and byte
 * tables. */
#include "kernels/neon/neon.h"

#include "kernels/codec_simd.h"

#include <string.h>

enum { TURN = 16 };

/* ---- encode: the search ------------------------------------------------------------------------------------------ */

/* The levels of the tree that fit into registers. */
struct tree {
  vf root;
  uint8x16_t one, two;
  uint8x16x2_t three;
  vtable16 four;
  vtable32 five;
  const float *memory;
};

SIMD_INLINE uint8x16_t bytes_at(const float *p) {
  return vreinterpretq_u8_f32(vld1q_f32(p));
}

SIMD_INLINE struct tree tree_load(const struct codec *codec) {
  const float *t = codec->tree;
  return (struct tree){
      .root = vf_set1(t[1]),
      .one = bytes_at(t + 2),
      .two = bytes_at(t + 4),
      .three = {{bytes_at(t + 8), bytes_at(t + 12)}},
      .four = vtable16_load(t + 16),
      .five = vtable32_load(t + 32),
      .memory = t,
  };
}

SIMD_INLINE vi set_bit(vi index, vm where, int bit) {
  return vi_or(index, vi_and(vreinterpretq_s32_u32(where), vi_set1(1 << bit)));
}

SIMD_INLINE vf floats(uint8x16_t bytes) {
  return vreinterpretq_f32_u8(bytes);
}

/* The leaf of x, of a tree of constant depth. */
SIMD_INLINE vi search(const struct tree *tree, vf x, unsigned depth) {
  vi index = vi_zero();
  if (depth > 0) {
    index = set_bit(index, vf_cmp_ge(x, tree->root), 0);
  }
  if (depth > 1) {
    index = set_bit(index, vf_cmp_ge(x, floats(vqtbl1q_u8(tree->one, simd_byte_index(index)))), 1);
  }
  if (depth > 2) {
    index = set_bit(index, vf_cmp_ge(x, floats(vqtbl1q_u8(tree->two, simd_byte_index(index)))), 2);
  }
  if (depth > 3) {
    index = set_bit(index, vf_cmp_ge(x, floats(vqtbl2q_u8(tree->three, simd_byte_index(index)))), 3);
  }
  if (depth > 4) {
    index = set_bit(index, vf_cmp_ge(x, vtable16_at(tree->four, index)), 4);
  }
  if (depth > 5) {
    index = set_bit(index, vf_cmp_ge(x, vtable32_at(tree->five, index)), 5);
  }
  for (unsigned l = 6; l < depth; l++) {
    index = set_bit(index, vf_cmp_ge(x, vf_gather(tree->memory + (1u << l), index)), (int)l);
  }
  return index;
}

/* ---- encode: bytes and bits -------------------------------------------------------------------------------------- */

SIMD_INLINE uint8x16_t bytes_of(vi a, vi b, vi c, vi d) {
  const int16x8_t ab = vcombine_s16(vmovn_s32(a), vmovn_s32(b)), cd = vcombine_s16(vmovn_s32(c), vmovn_s32(d));
  return vreinterpretq_u8_s8(vcombine_s8(vmovn_s16(ab), vmovn_s16(cd)));
}

/* What turns 16 bytes below 2^bits into two quad words of 8 bits bits: neighbouring bytes, words, double words close
 * up. */
struct packer {
  uint16x8_t keep16;
  uint32x4_t keep32;
  uint64x2_t keep64;
  int16x8_t shift16;
  int32x4_t shift32;
  int64x2_t shift64;
};

SIMD_INLINE struct packer packer_make(unsigned bits) {
  const int b = (int)bits;
  return (struct packer){
      .keep16 = vdupq_n_u16((uint16_t)((1u << bits) - 1)),
      .keep32 = vdupq_n_u32((1u << 2 * bits) - 1),
      .keep64 = vdupq_n_u64((UINT64_C(1) << 4 * bits) - 1),
      .shift16 = vdupq_n_s16((int16_t)(b - 8)),
      .shift32 = vdupq_n_s32(2 * b - 16),
      .shift64 = vdupq_n_s64(4 * b - 32),
  };
}

/* Writes 8 bytes at `to` and 8 at `to + bits`. */
SIMD_INLINE void pack(const struct packer *p, uint8x16_t bytes, uint8_t *to, unsigned bits) {
  const uint16x8_t v = vreinterpretq_u16_u8(bytes);
  const uint32x4_t w = vreinterpretq_u32_u16(vbslq_u16(p->keep16, v, vshlq_u16(v, p->shift16)));
  const uint64x2_t d = vreinterpretq_u64_u32(vbslq_u32(p->keep32, w, vshlq_u32(w, p->shift32)));
  const uint64x2_t packed = vbslq_u64(p->keep64, d, vshlq_u64(d, p->shift64));
  vst1_u8(to, vreinterpret_u8_u64(vget_low_u64(packed)));
  vst1_u8(to + bits, vreinterpret_u8_u64(vget_high_u64(packed)));
}

/* ---- encode ------------------------------------------------------------------------------------------------------ */

struct encoder {
  struct tree tree;
  struct packer packer;
  uint8x16x4_t code;
  const int32_t *wide_code;
};

SIMD_INLINE uint8x16_t code_of_leaf(const struct encoder *e, uint8x16_t leaf, unsigned depth) {
  return depth <= 4 ? vqtbl1q_u8(e->code.val[0], leaf) : vqtbl4q_u8(e->code, leaf);
}

/* May write 8 bytes more than the codes have. */
SIMD_INLINE void encode_turn(const struct encoder *e, const float *x, uint8_t *codes, unsigned bits, unsigned depth) {
  vi lane[4];
  for (int i = 0; i < 4; i++) {
    lane[i] = search(&e->tree, vf_load(x + VF_LANES * i), depth);
    if (depth > 6) {
      lane[i] = vi_gather(e->wide_code, lane[i]);
    }
  }
  uint8x16_t bytes = bytes_of(lane[0], lane[1], lane[2], lane[3]);
  if (depth <= 6) {
    bytes = code_of_leaf(e, bytes, depth);
  }
  pack(&e->packer, bytes, codes, bits);
}

SIMD_INLINE void encode_tail(const struct encoder *e, const float *x, uint8_t *codes, size_t n, unsigned bits,
                             unsigned depth) {
  float padded[TURN] = {0};
  uint8_t packed[TURN + 8];
  memcpy(padded, x, n * sizeof *x);
  encode_turn(e, padded, packed, bits, depth);
  memcpy(codes, packed, code_size(n, bits));
  simd_clear_rest(codes, n, bits);
}

SIMD_INLINE void encode(const struct codec *codec, const float *x, uint8_t *codes, size_t n, unsigned depth) {
  const unsigned bits = codec->bits;
  struct encoder e = {.tree = tree_load(codec), .packer = packer_make(bits), .wide_code = codec->wide_code};
  for (int i = 0; i < 4; i++) {
    e.code.val[i] = vld1q_u8(codec->code + 16 * i);
  }
  const size_t size = code_size(n, bits);
  size_t i = 0, byte = 0;
  for (; i + TURN <= n && byte + bits + 8 <= size; i += TURN, byte += 2 * bits) {
    simd_ask_ahead(x + i, TURN);
    encode_turn(&e, x + i, codes + byte, bits, depth);
  }
  for (; i < n; i += TURN, byte += 2 * bits) {
    encode_tail(&e, x + i, codes + byte, n - i < TURN ? n - i : TURN, bits, depth);
  }
}

SIMD_ENCODE(neon_encode)

/* ---- decode ------------------------------------------------------------------------------------------------------ */

/* How the halves of 16 elements get at their codes in 16 bytes, as words. */
struct unpacker {
  uint8x16_t bytes[2];
  int16x8_t shift[2];
};

SIMD_INLINE struct unpacker unpacker_make(unsigned bits) {
  struct unpacker u;
  for (unsigned half = 0; half < 2; half++) {
    uint8_t bytes[16];
    int16_t shift[8];
    for (unsigned i = 0; i < 8; i++) {
      const unsigned at = bits * (8 * half + i), byte = at / 8;
      shift[i] = (int16_t)(-(int)(at % 8));
      bytes[2 * i] = (uint8_t)byte;
      bytes[2 * i + 1] = (uint8_t)(byte + 1); /* 16 gives zero */
    }
    u.bytes[half] = vld1q_u8(bytes);
    u.shift[half] = vld1q_s16(shift);
  }
  return u;
}

struct levels {
  vtable32 in;
  const float *memory;
};

SIMD_INLINE vf level_of(const struct levels *levels, vi code, unsigned bits) {
  if (bits <= 4) {
    return vtable16_at(levels->in.low, code);
  }
  if (bits == 5) {
    return vtable32_at(levels->in, code);
  }
  return vf_gather(levels->memory, code);
}

SIMD_INLINE void decode_turn(const struct levels *levels, const struct unpacker *u, const uint8_t *codes,
                             const float *dy, float *dx, unsigned bits) {
  const uint8x16_t all = vld1q_u8(codes);
  for (int half = 0; half < 2; half++) {
    const uint16x8_t words = vreinterpretq_u16_u8(vqtbl1q_u8(all, u->bytes[half]));
    const uint16x8_t code = vandq_u16(vshlq_u16(words, u->shift[half]), vdupq_n_u16((uint16_t)((1u << bits) - 1)));
    const vi low = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(code)));
    const vi high = vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(code)));
    const vf a = vf_mul(level_of(levels, low, bits), vf_load(dy + 8 * half));
    const vf b = vf_mul(level_of(levels, high, bits), vf_load(dy + 8 * half + 4));
    vf_store(dx + 8 * half, a);
    vf_store(dx + 8 * half + 4, b);
  }
}

SIMD_INLINE void decode(const struct codec *codec, const uint8_t *codes, const float *dy, float *dx, size_t n,
                        bool stream, unsigned bits) {
  (void)stream; /* no store past the caches here */
  const struct levels levels = {vtable32_load(codec->levels), codec->levels};
  const struct unpacker u = unpacker_make(bits);
  const size_t size = code_size(n, bits);
  size_t i = 0, byte = 0;
  for (; i + TURN <= n && byte + 16 <= size; i += TURN, byte += 2 * bits) {
    decode_turn(&levels, &u, codes + byte, dy + i, dx + i, bits);
  }
  for (; i < n; i += TURN, byte += 2 * bits) {
    const size_t count = n - i < TURN ? n - i : TURN, rest = size - byte;
    uint8_t local[16] = {0};
    float padded[TURN] = {0};
    memcpy(local, codes + byte, rest < sizeof local ? rest : sizeof local);
    memcpy(padded, dy + i, count * sizeof *dy);
    decode_turn(&levels, &u, local, padded, padded, bits);
    memcpy(dx + i, padded, count * sizeof *dx);
  }
}

SIMD_DECODE(neon_decode)

/* ---- half precision ---------------------------------------------------------------------------------------------- */

SIMD_HALF(neon_bf16_widen, neon_bf16_narrow, bf16)
SIMD_HALF(neon_fp16_widen, neon_fp16_narrow, fp16)
