/* A quantizer laid out for the kernels: breakpoints as a search tree, codes by its leaves, levels as full tables.
 *
 * The search goes down `depth` comparisons. Comparison l has found l bits of the interval's number, most significant
 * first; they are kept in reverse, the first in bit 0, so that a comparison only has to set bit l of the index. The
 * breakpoint to compare with is tree[(1 << l) + index], and code[index] is the code when all are done. Slots beyond
 * the last breakpoint are NaN, which no x is greater than or equal to; so is no NaN greater than or equal to a
 * breakpoint. */
#ifndef ACTSCOPE_KERNELS_CODEC_H
#define ACTSCOPE_KERNELS_CODEC_H

#include "kernels/quantizer.h"

#include <stdint.h>

enum { CODEC_DEPTH_MAX = 9, CODEC_LEAVES_MAX = 1 << CODEC_DEPTH_MAX };

/* Where a comparison gives a lane of all ones or none, another index comes cheaper: the first comparison's lane itself,
 * with bits of the later ones flipped in it: comparison 1 in bit 0, 2 in bit 1, 3 to 5 in their own. Bit 2 then says
 * whether the first was true. codec_unfolded gives the index proper for it. */
enum { CODEC_FOLDED_MAX = 64 };

static inline unsigned codec_unfolded(unsigned folded) {
  const unsigned first = folded >> 2 & 1, bits = folded ^ (first ? CODEC_FOLDED_MAX - 1 : 0);
  return first | (bits & 3) << 1 | (bits & ~7u);
}

struct codec {
  /* Longer than needed: registers are loaded whole, from the last entries on too. */
  _Alignas(64) float tree[CODEC_LEAVES_MAX + 16];
  _Alignas(64) uint8_t code[CODEC_LEAVES_MAX + 64];
  _Alignas(64) int32_t wide_code[CODEC_LEAVES_MAX];   /* the same, for gathers */
  _Alignas(64) float levels[QUANTIZER_LEVELS_MAX];    /* level i % 2^bits: bits above the code's do not matter */
  _Alignas(64) uint8_t folded_code[CODEC_FOLDED_MAX]; /* code[] by that index, for depths to 6 */
  /* For packing by shuffles, of which the kernels of x86 are made. Of each half of 16 bytes the first `bits` bytes,
   * joined; then of each quarter of 64 bytes the first `bits` words. */
  _Alignas(64) uint16_t pack_words[32];
  uint8_t pack_bytes[16];
  unsigned bits, depth;
  unsigned breakpoints_count;
  float breakpoints[QUANTIZER_INTERVALS_MAX - 1]; /* as they were: for the reference */
  uint8_t codes[QUANTIZER_INTERVALS_MAX];
};

void codec_init(struct codec *codec, const struct quantizer *quantizer);

#endif
