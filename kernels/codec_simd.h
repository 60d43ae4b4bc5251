/* What the codecs of all instruction sets share: the choice of a loop by its constants, and the 16-bit floats. Each one's
 * codec.c makes its entries of these. */
#ifndef ACTSCOPE_KERNELS_CODEC_SIMD_H
#define ACTSCOPE_KERNELS_CODEC_SIMD_H

#include "kernels/code.h"
#include "kernels/kernels.h"
#include "kernels/simd.h"

#include <string.h>

/* NAME(codec, x, codes, n) by the file's encode(codec, x, codes, n, depth), of constant depth. */
#define SIMD_ENCODE(NAME)                                                                                              \
  void NAME(const struct codec *codec, const float *x, uint8_t *codes, size_t n) {                                     \
    switch (codec->depth) {                                                                                            \
      SIMD_ENCODE_DEPTH(0)                                                                                             \
      SIMD_ENCODE_DEPTH(1)                                                                                             \
      SIMD_ENCODE_DEPTH(2)                                                                                             \
      SIMD_ENCODE_DEPTH(3)                                                                                             \
      SIMD_ENCODE_DEPTH(4)                                                                                             \
      SIMD_ENCODE_DEPTH(5)                                                                                             \
      SIMD_ENCODE_DEPTH(6)                                                                                             \
      SIMD_ENCODE_DEPTH(7)                                                                                             \
      SIMD_ENCODE_DEPTH(8)                                                                                             \
      SIMD_ENCODE_DEPTH(9)                                                                                             \
    }                                                                                                                  \
  }
#define SIMD_ENCODE_DEPTH(d)                                                                                           \
  case d:                                                                                                              \
    encode(codec, x, codes, n, d);                                                                                     \
    break;

/* NAME(codec, codes, dy, dx, n, hint) by the file's decode(codec, codes, dy, dx, n, stream, bits), of constant bits. */
#define SIMD_DECODE(NAME)                                                                                              \
  void NAME(const struct codec *codec, const uint8_t *codes, const float *dy, float *dx, size_t n,                     \
            enum store_hint hint) {                                                                                    \
    switch (codec->bits) {                                                                                             \
      SIMD_DECODE_BITS(1)                                                                                              \
      SIMD_DECODE_BITS(2)                                                                                              \
      SIMD_DECODE_BITS(3)                                                                                              \
      SIMD_DECODE_BITS(4)                                                                                              \
      SIMD_DECODE_BITS(5)                                                                                              \
      SIMD_DECODE_BITS(6)                                                                                              \
      SIMD_DECODE_BITS(7)                                                                                              \
      SIMD_DECODE_BITS(8)                                                                                              \
    }                                                                                                                  \
  }
#define SIMD_DECODE_BITS(b)                                                                                            \
  case b:                                                                                                              \
    if (hint == STORE_STREAM) {                                                                                        \
      decode(codec, codes, dy, dx, n, true, b);                                                                        \
    } else {                                                                                                           \
      decode(codec, codes, dy, dx, n, false, b);                                                                       \
    }                                                                                                                  \
    break;

/* Clears what the last byte of n codes has beyond them. */
SIMD_INLINE void simd_clear_rest(uint8_t *codes, size_t n, unsigned bits) {
  if (n * bits % 8) {
    codes[code_size(n, bits) - 1] &= (uint8_t)((1u << n * bits % 8) - 1);
  }
}

/* WIDEN(from, to, n) and NARROW(from, to, n): n 16-bit floats, of what vf_load_KIND and vf_store_KIND read and write. */
#define SIMD_HALF(WIDEN, NARROW, KIND)                                                                                 \
  void WIDEN(const uint16_t *from, float *to, size_t n) {                                                              \
    size_t i = 0;                                                                                                      \
    for (; i + VF_LANES <= n; i += VF_LANES) {                                                                         \
      vf_store(to + i, vf_load_##KIND(from + i));                                                                      \
    }                                                                                                                  \
    uint16_t words[VF_LANES] = {0};                                                                                    \
    memcpy(words, from + i, (n - i) * sizeof *from);                                                                   \
    vf_store_n(to + i, vf_load_##KIND(words), n - i);                                                                  \
  }                                                                                                                    \
  void NARROW(const float *from, uint16_t *to, size_t n) {                                                             \
    size_t i = 0;                                                                                                      \
    for (; i + VF_LANES <= n; i += VF_LANES) {                                                                         \
      vf_store_##KIND(to + i, vf_load(from + i));                                                                      \
    }                                                                                                                  \
    uint16_t words[VF_LANES];                                                                                          \
    vf_store_##KIND(words, vf_load_n(from + i, n - i));                                                                \
    memcpy(to + i, words, (n - i) * sizeof *to);                                                                       \
  }

#endif
