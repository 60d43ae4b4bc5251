#include "kernels/codec.h"

#include <math.h>
#include <string.h>

static unsigned depth_for(unsigned intervals) {
  unsigned depth = 0;
  while (1u << depth < intervals) {
    depth++;
  }
  return depth;
}

/* The lowest `bits` bits of x, last first. */
static unsigned reversed(unsigned x, unsigned bits) {
  unsigned y = 0;
  for (unsigned i = 0; i < bits; i++) {
    y |= (x >> i & 1) << (bits - 1 - i);
  }
  return y;
}

static void init_tree(struct codec *codec, const struct quantizer *quantizer) {
  for (size_t i = 0; i < sizeof codec->tree / sizeof *codec->tree; i++) {
    codec->tree[i] = NAN;
  }
  for (unsigned l = 0; l < codec->depth; l++) {
    const unsigned span = 1u << (codec->depth - l); /* intervals below a node of this comparison */
    for (unsigned node = 0; node < 1u << l; node++) {
      const unsigned breakpoint = node * span + span / 2 - 1;
      if (breakpoint < quantizer->intervals - 1) {
        codec->tree[(1u << l) + reversed(node, l)] = quantizer->breakpoints[breakpoint];
      }
    }
  }
}

static void init_packing(struct codec *codec, unsigned bits) {
  for (unsigned i = 0; i < 16; i++) { /* 0x80: a shuffle writes zero there */
    codec->pack_bytes[i] = (uint8_t)(i < bits ? i : i < 2 * bits ? 8 + i - bits : 0x80);
  }
  for (unsigned i = 0; i < 32; i++) {
    codec->pack_words[i] = (uint16_t)(i < 4 * bits ? i / bits * 8 + i % bits : 0);
  }
}

void codec_init(struct codec *codec, const struct quantizer *quantizer) {
  memset(codec, 0, sizeof *codec);
  codec->bits = quantizer->bits;
  codec->depth = depth_for(quantizer->intervals);
  init_tree(codec, quantizer);
  init_packing(codec, quantizer->bits);
  for (unsigned i = 0; i < quantizer->intervals; i++) {
    const unsigned leaf = reversed(i, codec->depth);
    codec->code[leaf] = quantizer->codes[i];
    codec->wide_code[leaf] = quantizer->codes[i];
  }
  for (unsigned i = 0; i < CODEC_FOLDED_MAX; i++) {
    codec->folded_code[i] = codec->code[codec_unfolded(i) & ((1u << codec->depth) - 1)];
  }
  for (unsigned i = 0; i < QUANTIZER_LEVELS_MAX; i++) {
    codec->levels[i] = quantizer->levels[i & ((1u << quantizer->bits) - 1)];
  }
  codec->breakpoints_count = quantizer->intervals - 1;
  memcpy(codec->breakpoints, quantizer->breakpoints, codec->breakpoints_count * sizeof(float));
  memcpy(codec->codes, quantizer->codes, quantizer->intervals);
}
