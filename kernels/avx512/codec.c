/* Encode and decode with AVX-512 (F, BW, VL, DQ), 64 elements a turn.
 *
 * Encode searches 16 lanes at a time: a permutation of the tree's level by the index so far gives the breakpoint, the
 * comparison's mask sets the next bit of the index. Four indices go into the bytes of one register, in order; a byte
 * shuffle turns leaves into codes, three shift-and-selects close the gaps between neighbours.
 *
 * Decode brings each lane the two bytes that hold its code, shifts, and looks the level up by a permutation, which
 * takes no notice of the bits above: codec.levels repeats itself so that these do not matter. */
#include "kernels/avx512/avx512.h"

#include "kernels/codec_simd.h"

#include <string.h>

enum { TURN = 64 };

/* ---- encode: the search ------------------------------------------------------------------------------------------ */

/* The levels of the tree that fit into registers: 1 to 16 entries a register, then 32 in two and 64 in four. */
struct tree {
  vf root, left, right, two, three, four, five[2], six[4];
  const float *memory;
};

SIMD_INLINE struct tree tree_load(const struct codec *codec) {
  const float *t = codec->tree;
  return (struct tree){
      .root = vf_set1(t[1]),
      .left = vf_set1(t[2]),
      .right = vf_set1(t[3]),
      .two = vf_load(t + 4),
      .three = vf_load(t + 8),
      .four = vf_load(t + 16),
      .five = {vf_load(t + 32), vf_load(t + 48)},
      .six = {vf_load(t + 64), vf_load(t + 80), vf_load(t + 96), vf_load(t + 112)},
      .memory = t,
  };
}

SIMD_INLINE vi set_bit(vi index, vm where, int bit) {
  return _mm512_mask_or_epi32(index, where, index, vi_set1(1 << bit));
}

SIMD_INLINE vf tree_six(const struct tree *tree, vi index) {
  const vf low = _mm512_permutex2var_ps(tree->six[0], index, tree->six[1]);
  const vf high = _mm512_permutex2var_ps(tree->six[2], index, tree->six[3]);
  return vf_select(_mm512_test_epi32_mask(index, vi_set1(32)), high, low);
}

/* The leaf of x, of a tree of constant depth. */
SIMD_INLINE vi search(const struct tree *tree, vf x, unsigned depth) {
  if (depth == 0) {
    return vi_zero();
  }
  const vm root = vf_cmp_ge(x, tree->root);
  vi index = _mm512_maskz_set1_epi32(root, 1);
  if (depth > 1) {
    index = set_bit(index, vf_cmp_ge(x, vf_select(root, tree->right, tree->left)), 1);
  }
  if (depth > 2) {
    index = set_bit(index, vf_cmp_ge(x, _mm512_permutexvar_ps(index, tree->two)), 2);
  }
  if (depth > 3) {
    index = set_bit(index, vf_cmp_ge(x, _mm512_permutexvar_ps(index, tree->three)), 3);
  }
  if (depth > 4) {
    index = set_bit(index, vf_cmp_ge(x, _mm512_permutexvar_ps(index, tree->four)), 4);
  }
  if (depth > 5) {
    index = set_bit(index, vf_cmp_ge(x, _mm512_permutex2var_ps(tree->five[0], index, tree->five[1])), 5);
  }
  if (depth > 6) {
    index = set_bit(index, vf_cmp_ge(x, tree_six(tree, index)), 6);
  }
  for (unsigned l = 7; l < depth; l++) {
    index = set_bit(index, vf_cmp_ge(x, vf_gather(tree->memory + (1u << l), index)), (int)l);
  }
  return index;
}

/* ---- encode: bytes and bits -------------------------------------------------------------------------------------- */

/* The low bytes of the lanes of a, b, c, d as 64 bytes, in order. */
SIMD_INLINE __m512i bytes_of(vi a, vi b, vi c, vi d) {
  const __m512i abc = _mm512_ternarylogic_epi32(a, vi_shl(b, 8), vi_shl(c, 16), 0xfe);
  const __m512i mixed = vi_or(abc, vi_shl(d, 24)); /* lane i: a[i] b[i] c[i] d[i] */
  const __m512i within = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m512i across = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(across, _mm512_shuffle_epi8(mixed, within));
}

/* code[leaf] of 64 leaves below 2^depth, depth <= 6. */
SIMD_INLINE __m512i code_of_leaf(const __m512i code[4], __m512i leaf, unsigned depth) {
  const __m512i first = _mm512_shuffle_epi8(code[0], leaf);
  if (depth <= 4) {
    return first;
  }
  const __mmask64 odd = _mm512_test_epi8_mask(leaf, _mm512_set1_epi8(16));
  const __m512i low = _mm512_mask_shuffle_epi8(first, odd, code[1], leaf);
  if (depth == 5) {
    return low;
  }
  const __m512i high = _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(code[2], leaf), odd, code[3], leaf);
  return _mm512_mask_blend_epi8(_mm512_test_epi8_mask(leaf, _mm512_set1_epi8(32)), low, high);
}

/* What turns 64 bytes below 2^bits into 8 bits bytes, by steps: neighbouring bytes, words, double words of a register
 * close up, then the used bytes of each quad word. */
struct packer {
  __m512i keep[3], shift[3], bytes, words;
  __mmask32 stored;
};

SIMD_INLINE struct packer packer_make(const struct codec *codec) {
  const unsigned bits = codec->bits;
  return (struct packer){
      .keep = {_mm512_set1_epi16((short)((1u << bits) - 1)), _mm512_set1_epi32((int)((1u << 2 * bits) - 1)),
               _mm512_set1_epi64((long long)((UINT64_C(1) << 4 * bits) - 1))},
      .shift = {_mm512_set1_epi16((short)(8 - bits)), _mm512_set1_epi32((int)(16 - 2 * bits)),
                _mm512_set1_epi64(32 - 4 * (int)bits)},
      .bytes = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)codec->pack_bytes)),
      .words = _mm512_load_si512(codec->pack_words),
      .stored = (__mmask32)((UINT64_C(1) << 4 * bits) - 1),
  };
}

SIMD_INLINE void pack(const struct packer *packer, __m512i v, uint8_t *to) {
  enum { SELECT = 0xca }; /* first ? second : third */
  v = _mm512_ternarylogic_epi64(packer->keep[0], v, _mm512_srlv_epi16(v, packer->shift[0]), SELECT);
  v = _mm512_ternarylogic_epi64(packer->keep[1], v, _mm512_srlv_epi32(v, packer->shift[1]), SELECT);
  v = _mm512_ternarylogic_epi64(packer->keep[2], v, _mm512_srlv_epi64(v, packer->shift[2]), SELECT);
  v = _mm512_permutexvar_epi16(packer->words, _mm512_shuffle_epi8(v, packer->bytes));
  _mm512_mask_storeu_epi16(to, packer->stored, v);
}

/* ---- encode ------------------------------------------------------------------------------------------------------ */

struct encoder {
  struct tree tree;
  struct packer packer;
  __m512i code[4];
  const int32_t *wide_code;
};

SIMD_INLINE void encode_turn(const struct encoder *e, const float *x, uint8_t *codes, unsigned depth,
                             bool whole_bytes) {
  vi lane[4];
  for (int i = 0; i < 4; i++) {
    lane[i] = search(&e->tree, vf_load(x + VF_LANES * i), depth);
    if (depth > 6) {
      lane[i] = vi_gather(e->wide_code, lane[i]);
    }
  }
  __m512i bytes = bytes_of(lane[0], lane[1], lane[2], lane[3]);
  if (depth <= 6) {
    bytes = code_of_leaf(e->code, bytes, depth);
  }
  if (whole_bytes) {
    _mm512_storeu_si512(codes, bytes);
  } else {
    pack(&e->packer, bytes, codes);
  }
}

SIMD_INLINE void encode_tail(const struct encoder *e, const float *x, uint8_t *codes, size_t n, unsigned bits,
                             unsigned depth) {
  float padded[TURN] = {0};
  uint8_t packed[TURN];
  memcpy(padded, x, n * sizeof *x);
  encode_turn(e, padded, packed, depth, bits == 8);
  memcpy(codes, packed, code_size(n, bits));
  simd_clear_rest(codes, n, bits);
}

SIMD_INLINE void encode(const struct codec *codec, const float *x, uint8_t *codes, size_t n, unsigned depth) {
  const unsigned bits = codec->bits;
  struct encoder e = {.tree = tree_load(codec), .packer = packer_make(codec), .wide_code = codec->wide_code};
  for (int i = 0; i < 4; i++) {
    e.code[i] = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)codec->code + i));
  }
  size_t i = 0;
  if (bits == 8) {
    for (; i + TURN <= n; i += TURN) {
      simd_ask_ahead(x + i, TURN);
      encode_turn(&e, x + i, codes + i, depth, true);
    }
  } else {
    for (; i + TURN <= n; i += TURN) {
      simd_ask_ahead(x + i, TURN);
      encode_turn(&e, x + i, codes + i / 8 * bits, depth, false);
    }
  }
  if (i < n) {
    encode_tail(&e, x + i, codes + i / 8 * bits, n - i, bits, depth);
  }
}

SIMD_ENCODE(avx512_encode)

/* ---- decode ------------------------------------------------------------------------------------------------------ */

/* How the lanes of a register get at their codes in 16 bytes whose first code begins at bit `first`. */
struct unpacker {
  __m512i bytes, shift;
};

SIMD_INLINE struct unpacker unpacker_make(unsigned bits, unsigned first) {
  uint8_t bytes[64];
  uint32_t shift[16];
  for (unsigned i = 0; i < 16; i++) {
    const unsigned at = first + bits * i, byte = at / 8;
    shift[i] = at % 8;
    bytes[4 * i] = (uint8_t)byte;
    bytes[4 * i + 1] = (uint8_t)(byte < 15 ? byte + 1 : 0x80);
    bytes[4 * i + 2] = bytes[4 * i + 3] = 0x80;
  }
  return (struct unpacker){_mm512_loadu_si512(bytes), _mm512_loadu_si512(shift)};
}

/* The codes, with what is above them in the two bytes. */
SIMD_INLINE vi unpack(const struct unpacker *u, const uint8_t *codes) {
  const __m512i all = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)codes));
  return vi_shrv(_mm512_shuffle_epi8(all, u->bytes), u->shift);
}

struct levels {
  vf in[4];
  const float *memory;
};

SIMD_INLINE vf level_of(const struct levels *levels, vi code, unsigned bits) {
  if (bits <= 4) {
    return _mm512_permutexvar_ps(code, levels->in[0]);
  }
  if (bits == 5) {
    return _mm512_permutex2var_ps(levels->in[0], code, levels->in[1]);
  }
  if (bits == 6) {
    const vf low = _mm512_permutex2var_ps(levels->in[0], code, levels->in[1]);
    const vf high = _mm512_permutex2var_ps(levels->in[2], code, levels->in[3]);
    return vf_select(_mm512_test_epi32_mask(code, vi_set1(32)), high, low);
  }
  return vf_gather(levels->memory, vi_and(code, vi_set1((1 << bits) - 1)));
}

/* At most 16 elements whose codes begin at bit `first` of codes, which has `size` bytes left. */
SIMD_INLINE void decode_few(const struct levels *levels, const uint8_t *codes, size_t size, unsigned first,
                            const float *dy, float *dx, size_t n, unsigned bits) {
  uint8_t local[16] = {0};
  memcpy(local, codes, size < sizeof local ? size : sizeof local);
  const struct unpacker u = unpacker_make(bits, first);
  const __mmask16 lanes = (__mmask16)((1u << n) - 1);
  const vf level = level_of(levels, unpack(&u, local), bits);
  _mm512_mask_storeu_ps(dx, lanes, vf_mul(level, _mm512_maskz_loadu_ps(lanes, dy)));
}

SIMD_INLINE void decode(const struct codec *codec, const uint8_t *codes, const float *dy, float *dx, size_t n,
                        bool stream, unsigned bits) {
  const float *table = codec->levels;
  const struct levels levels = {{vf_load(table), vf_load(table + 16), vf_load(table + 32), vf_load(table + 48)}, table};
  const size_t size = code_size(n, bits);
  size_t i = 0;
  if (stream) {
    const size_t head = (size_t)(-(uintptr_t)dx % 64 / sizeof *dx);
    i = head < n ? head : n;
    decode_few(&levels, codes, size, 0, dy, dx, i, bits);
  }
  const unsigned first = (unsigned)(i * bits % 8);
  const struct unpacker u = unpacker_make(bits, first);
  for (size_t byte = i * bits / 8; i + TURN <= n && byte + 6 * bits + 16 <= size; i += TURN, byte += 8 * bits) {
    for (unsigned k = 0; k < 4; k++) {
      const vf level = level_of(&levels, unpack(&u, codes + byte + 2 * bits * k), bits);
      const vf product = vf_mul(level, vf_load(dy + i + 16 * k));
      if (stream) {
        vf_stream(dx + i + 16 * k, product);
      } else {
        vf_store(dx + i + 16 * k, product);
      }
    }
  }
  for (; i < n; i += 16) {
    const size_t byte = i / 8 * bits + i % 8 * bits / 8;
    decode_few(&levels, codes + byte, size - byte, first, dy + i, dx + i, n - i < 16 ? n - i : 16, bits);
  }
}

SIMD_DECODE(avx512_decode)

void avx512_fence(void) {
  _mm_sfence();
}

/* ---- half precision ---------------------------------------------------------------------------------------------- */

SIMD_HALF(avx512_bf16_widen, avx512_bf16_narrow, bf16)
SIMD_HALF(avx512_fp16_widen, avx512_fp16_narrow, fp16)
