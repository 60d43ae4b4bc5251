/* The reference: as plain as the definition. What every other instruction set has to agree with, bit for bit. */
#include "kernels/ref/ref.h"

#include "kernels/code.h"
#include "kernels/half.h"

static unsigned code_of(const struct codec *codec, float x) {
  unsigned low = 0, high = codec->breakpoints_count; /* the number of breakpoints <= x is in [low, high] */
  while (low < high) {
    const unsigned middle = (low + high) / 2;
    if (x >= codec->breakpoints[middle]) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return codec->codes[low];
}

void ref_encode(const struct codec *codec, const float *x, uint8_t *codes, size_t n) {
  unsigned word = 0, filled = 0;
  for (size_t i = 0; i < n; i++) {
    word |= code_of(codec, x[i]) << filled;
    filled += codec->bits;
    if (filled >= 8) {
      *codes++ = (uint8_t)word;
      word >>= 8;
      filled -= 8;
    }
  }
  if (filled > 0) {
    *codes = (uint8_t)word;
  }
}

void ref_decode(const struct codec *codec, const uint8_t *codes, const float *dy, float *dx, size_t n,
                enum store_hint hint) {
  (void)hint;
  for (size_t i = 0; i < n; i++) {
    dx[i] = codec->levels[code_get(codes, i, codec->bits)] * dy[i];
  }
}

void ref_bf16_widen(const uint16_t *from, float *to, size_t n) {
  for (size_t i = 0; i < n; i++) {
    to[i] = bf16_to_float(from[i]);
  }
}

void ref_bf16_narrow(const float *from, uint16_t *to, size_t n) {
  for (size_t i = 0; i < n; i++) {
    to[i] = bf16_from_float(from[i]);
  }
}

void ref_fp16_widen(const uint16_t *from, float *to, size_t n) {
  for (size_t i = 0; i < n; i++) {
    to[i] = fp16_to_float(from[i]);
  }
}

void ref_fp16_narrow(const float *from, uint16_t *to, size_t n) {
  for (size_t i = 0; i < n; i++) {
    to[i] = fp16_from_float(from[i]);
  }
}
