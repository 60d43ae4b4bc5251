/* Encode and decode with AVX2, 32 elements a turn: as avx512/codec.c, but with eight lanes, blends where a table takes
 * more than one register, and multiplications where one would shift and select. */
#include "kernels/avx2/avx2.h"

#include "kernels/codec_simd.h"

#include <string.h>

enum { TURN = 32 };

/* ---- encode: the search ------------------------------------------------------------------------------------------ */

/* The levels of the tree that fit into registers: 1 to 8 entries in one, then 16 in two and 32 in four; in the order of
 * codec_unfolded, eight by eight. */
struct tree {
  vf root, one, two, three, four[2], five[4];
  const float *memory;
};

SIMD_INLINE vf folded(const float *entries) {
  return _mm256_permutevar8x32_ps(vf_load(entries), _mm256_setr_epi32(0, 2, 4, 6, 7, 5, 3, 1));
}

SIMD_INLINE struct tree tree_load(const struct codec *codec) {
  const float *t = codec->tree;
  return (struct tree){
      .root = vf_set1(t[1]),
      .one = folded(t + 2),
      .two = folded(t + 4),
      .three = folded(t + 8),
      .four = {folded(t + 16), folded(t + 24)},
      .five = {folded(t + 32), folded(t + 40), folded(t + 48), folded(t + 56)},
      .memory = t,
  };
}

/* where ? b : a */
SIMD_INLINE vf choose(vf a, vf b, vm where) {
  return _mm256_blendv_ps(a, b, where);
}

SIMD_INLINE vf tree_four(const vf four[2], vi index, vm bit3) {
  return choose(_mm256_permutevar8x32_ps(four[0], index), _mm256_permutevar8x32_ps(four[1], index), bit3);
}

SIMD_INLINE vi flip(vi index, vm where, int bits) {
  return vi_xor(index, vi_and(vf_as_vi(where), vi_set1(bits)));
}

/* The folded leaf of x, of a tree of constant depth, 6 at most: -64 .. 63, of which the lowest bits count. */
SIMD_INLINE vi search(const struct tree *tree, vf x, unsigned depth) {
  if (depth == 0) {
    return vi_zero();
  }
  vi index = vf_as_vi(vf_cmp_ge(x, tree->root));
  vm bit3 = vf_zero(), bit4 = vf_zero();
  if (depth > 1) {
    index = flip(index, vf_cmp_ge(x, _mm256_permutevar8x32_ps(tree->one, index)), 1);
  }
  if (depth > 2) {
    index = flip(index, vf_cmp_ge(x, _mm256_permutevar8x32_ps(tree->two, index)), 2);
  }
  vi leaf = index;
  if (depth > 3) {
    bit3 = vf_cmp_ge(x, _mm256_permutevar8x32_ps(tree->three, index));
    leaf = flip(leaf, bit3, 8);
  }
  if (depth > 4) {
    bit4 = vf_cmp_ge(x, tree_four(tree->four, index, bit3));
    leaf = flip(leaf, bit4, 16);
  }
  if (depth > 5) {
    const vf breakpoint = choose(tree_four(tree->five, index, bit3), tree_four(tree->five + 2, index, bit3), bit4);
    leaf = flip(leaf, vf_cmp_ge(x, breakpoint), 32);
  }
  return leaf;
}

/* The code of x, of a deeper tree: on from the sixth comparison in memory, with the index proper. */
SIMD_INLINE vi search_deep(const struct tree *tree, const int32_t *code, vf x, unsigned depth) {
  const vi leaf = search(tree, x, 6), first = vi_sra(leaf, 31), bits = vi_xor(leaf, first);
  vi index = vi_or(vi_and(bits, vi_set1(56)), vi_and(first, vi_set1(1)));
  index = vi_or(index, vi_shl(vi_and(bits, vi_set1(3)), 1));
  for (unsigned l = 6; l < depth; l++) {
    const vm where = vf_cmp_ge(x, vf_gather(tree->memory + (1u << l), index));
    index = vi_or(index, vi_and(vf_as_vi(where), vi_set1(1 << l)));
  }
  return vi_gather(code, index);
}

/* ---- encode: bytes and bits -------------------------------------------------------------------------------------- */

SIMD_INLINE __m256i both_lanes(const void *bytes) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)bytes));
}

/* The lanes of lane[0 .. 3] as 32 bytes in order: folded leaves, which have a sign, or codes, which have none. */
SIMD_INLINE __m256i bytes_of(const vi lane[4], bool is_signed) {
  const __m256i low = _mm256_packs_epi32(lane[0], lane[1]), high = _mm256_packs_epi32(lane[2], lane[3]);
  const __m256i mixed = is_signed ? _mm256_packs_epi16(low, high) : _mm256_packus_epi16(low, high);
  return _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* The code of 32 folded leaves, depth <= 6. A shuffle looks at bits 0 to 3, and at bit 7, which must not be set. */
SIMD_INLINE __m256i code_of_leaf(const __m256i code[4], __m256i leaf, unsigned depth) {
  leaf = _mm256_and_si256(leaf, _mm256_set1_epi8(63));
  const __m256i first = _mm256_shuffle_epi8(code[0], leaf);
  if (depth <= 4) {
    return first;
  }
  const __m256i odd = _mm256_slli_epi16(leaf, 3); /* bit 4 where the blend looks */
  const __m256i low = _mm256_blendv_epi8(first, _mm256_shuffle_epi8(code[1], leaf), odd);
  if (depth == 5) {
    return low;
  }
  const __m256i high = _mm256_blendv_epi8(_mm256_shuffle_epi8(code[2], leaf), _mm256_shuffle_epi8(code[3], leaf), odd);
  return _mm256_blendv_epi8(low, high, _mm256_slli_epi16(leaf, 2));
}

/* What turns 32 bytes below 2^bits, bits <= 7, into 4 bits bytes, by steps: neighbouring bytes and words close up by
 * multiply-and-add, double words by a shift, then the used bytes of each quad word by a shuffle. */
struct packer {
  __m256i scale_bytes, scale_words, keep, shift, bytes;
};

SIMD_INLINE struct packer packer_make(const struct codec *codec) {
  const unsigned bits = codec->bits & 7; /* of 8 bits, nothing is used */
  return (struct packer){
      .scale_bytes = _mm256_set1_epi16((short)(1 | 256u << bits)),
      .scale_words = _mm256_set1_epi32((int)(1 | 65536u << 2 * bits)),
      .keep = _mm256_set1_epi64x((long long)((UINT64_C(1) << 4 * bits) - 1)),
      .shift = _mm256_set1_epi64x(32 - 4 * (int)bits),
      .bytes = both_lanes(codec->pack_bytes),
  };
}

/* Writes up to 16 bytes from `to + 2 bits` on: the last 16 - 2 bits of them are zeros beyond the codes. */
SIMD_INLINE void pack(const struct packer *packer, __m256i v, uint8_t *to, unsigned bits) {
  v = _mm256_maddubs_epi16(packer->scale_bytes, v);
  v = _mm256_madd_epi16(v, packer->scale_words);
  const __m256i high = _mm256_andnot_si256(packer->keep, _mm256_srlv_epi64(v, packer->shift));
  v = _mm256_or_si256(_mm256_and_si256(v, packer->keep), high);
  v = _mm256_shuffle_epi8(v, packer->bytes);
  _mm_storeu_si128((__m128i *)to, _mm256_castsi256_si128(v));
  _mm_storeu_si128((__m128i *)(to + 2 * bits), _mm256_extracti128_si256(v, 1));
}

/* ---- encode ------------------------------------------------------------------------------------------------------ */

struct encoder {
  struct tree tree;
  struct packer packer;
  __m256i code[4];
  const int32_t *wide_code;
};

/* May write 16 bytes more than the codes have. */
SIMD_INLINE void encode_turn(const struct encoder *e, const float *x, uint8_t *codes, unsigned bits, unsigned depth) {
  vi lane[4];
  for (int i = 0; i < 4; i++) {
    const vf at = vf_load(x + VF_LANES * i);
    lane[i] = depth <= 6 ? search(&e->tree, at, depth) : search_deep(&e->tree, e->wide_code, at, depth);
  }
  __m256i bytes = bytes_of(lane, depth <= 6);
  if (depth <= 6) {
    bytes = code_of_leaf(e->code, bytes, depth);
  }
  if (bits == 8) {
    vi_store(codes, bytes);
  } else {
    pack(&e->packer, bytes, codes, bits);
  }
}

SIMD_INLINE void encode_tail(const struct encoder *e, const float *x, uint8_t *codes, size_t n, unsigned bits,
                             unsigned depth) {
  float padded[TURN] = {0};
  uint8_t packed[TURN + 16];
  memcpy(padded, x, n * sizeof *x);
  encode_turn(e, padded, packed, bits, depth);
  memcpy(codes, packed, code_size(n, bits));
  simd_clear_rest(codes, n, bits);
}

SIMD_INLINE void encode(const struct codec *codec, const float *x, uint8_t *codes, size_t n, unsigned depth) {
  const unsigned bits = codec->bits;
  struct encoder e = {.tree = tree_load(codec), .packer = packer_make(codec), .wide_code = codec->wide_code};
  for (int i = 0; i < 4; i++) {
    e.code[i] = both_lanes(codec->folded_code + 16 * i);
  }
  const size_t size = code_size(n, bits);
  size_t i = 0, byte = 0;
  for (; i + TURN <= n && byte + 4 * bits + 16 <= size; i += TURN, byte += 4 * bits) {
    simd_ask_ahead(x + i, TURN);
    encode_turn(&e, x + i, codes + byte, bits, depth);
  }
  for (; i < n; i += TURN, byte += 4 * bits) {
    encode_tail(&e, x + i, codes + byte, n - i < TURN ? n - i : TURN, bits, depth);
  }
}

SIMD_ENCODE(avx2_encode)

/* ---- decode ------------------------------------------------------------------------------------------------------ */

/* How the lanes of a register get at their codes in 8 bytes whose first code begins at bit `first`. */
struct unpacker {
  __m256i bytes, shift;
};

SIMD_INLINE struct unpacker unpacker_make(unsigned bits, unsigned first) {
  uint8_t bytes[32];
  uint32_t shift[8];
  for (unsigned i = 0; i < 8; i++) {
    const unsigned at = first + bits * i, byte = at / 8;
    shift[i] = at % 8;
    bytes[4 * i] = (uint8_t)byte;
    bytes[4 * i + 1] = (uint8_t)(byte < 7 ? byte + 1 : 0x80);
    bytes[4 * i + 2] = bytes[4 * i + 3] = 0x80;
  }
  return (struct unpacker){vi_load(bytes), vi_load(shift)};
}

/* The codes, with what is above them in the two bytes. */
SIMD_INLINE vi unpack(const struct unpacker *u, const uint8_t *codes) {
  long long all;
  memcpy(&all, codes, sizeof all);
  return vi_shrv(_mm256_shuffle_epi8(_mm256_set1_epi64x(all), u->bytes), u->shift);
}

struct levels {
  vtable32 in;
  const float *memory;
};

SIMD_INLINE vf level_of(const struct levels *levels, vi code, unsigned bits) {
  if (bits <= 3) {
    return _mm256_permutevar8x32_ps(levels->in.low.low, code);
  }
  if (bits == 4) {
    return vtable16_at(levels->in.low, code);
  }
  if (bits == 5) {
    return vtable32_at(levels->in, code);
  }
  return vf_gather(levels->memory, vi_and(code, vi_set1((1 << bits) - 1)));
}

/* At most 8 elements whose codes begin at bit `first` of codes, which has `size` bytes left. */
SIMD_INLINE void decode_few(const struct levels *levels, const uint8_t *codes, size_t size, unsigned first,
                            const float *dy, float *dx, size_t n, unsigned bits) {
  uint8_t local[8] = {0};
  memcpy(local, codes, size < sizeof local ? size : sizeof local);
  const struct unpacker u = unpacker_make(bits, first);
  const vf level = level_of(levels, unpack(&u, local), bits);
  vf_store_n(dx, vf_mul(level, vf_load_n(dy, n)), n);
}

SIMD_INLINE void decode(const struct codec *codec, const uint8_t *codes, const float *dy, float *dx, size_t n,
                        bool stream, unsigned bits) {
  const struct levels levels = {vtable32_load(codec->levels), codec->levels};
  const size_t size = code_size(n, bits);
  size_t i = 0;
  if (stream) {
    const size_t head = (size_t)(-(uintptr_t)dx % 32 / sizeof *dx);
    i = head < n ? head : n;
    decode_few(&levels, codes, size, 0, dy, dx, i, bits);
  }
  const unsigned first = (unsigned)(i * bits % 8);
  const struct unpacker u = unpacker_make(bits, first);
  for (size_t byte = i * bits / 8; i + TURN <= n && byte + 3 * bits + 8 <= size; i += TURN, byte += 4 * bits) {
    for (unsigned k = 0; k < 4; k++) {
      const vf level = level_of(&levels, unpack(&u, codes + byte + bits * k), bits);
      const vf product = vf_mul(level, vf_load(dy + i + 8 * k));
      if (stream) {
        vf_stream(dx + i + 8 * k, product);
      } else {
        vf_store(dx + i + 8 * k, product);
      }
    }
  }
  for (; i < n; i += 8) {
    const size_t byte = i / 8 * bits + i % 8 * bits / 8;
    decode_few(&levels, codes + byte, size - byte, first, dy + i, dx + i, n - i < 8 ? n - i : 8, bits);
  }
}

SIMD_DECODE(avx2_decode)

void avx2_fence(void) {
  _mm_sfence();
}

/* ---- half precision ---------------------------------------------------------------------------------------------- */

SIMD_HALF(avx2_bf16_widen, avx2_bf16_narrow, bf16)
SIMD_HALF(avx2_fp16_widen, avx2_fp16_narrow, fp16)
