#include "kernels/half.h"

#include <string.h>

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

float bf16_to_float(uint16_t bits) {
  return float_of((uint32_t)bits << 16);
}

uint16_t bf16_from_float(float x) {
  const uint32_t bits = bits_of(x);
  if ((bits & 0x7fffffff) > 0x7f800000) {
    return (uint16_t)(bits >> 16 | 0x40);
  }
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float fp16_to_float(uint16_t bits) {
  const uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
  if (exponent == 31) {
    return float_of(sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000 : 0));
  }
  if (exponent == 0) { /* zero or denormal: fraction 2^-24, exact in float */
    const float magnitude = (float)fraction * 0x1p-24f;
    return float_of(sign | bits_of(magnitude));
  }
  return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

/* a / 2^shift, to nearest even; 1 <= shift <= 31. */
static uint32_t shift_rounded(uint32_t a, unsigned shift) {
  const uint32_t whole = a >> shift, rest = a & ((1u << shift) - 1), half = 1u << (shift - 1);
  return whole + (rest > half || (rest == half && (whole & 1)));
}

uint16_t fp16_from_float(float x) {
  const uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffff;
  const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  if (magnitude > 0x7f800000) {
    return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  }
  if (magnitude >= 0x47800000) { /* 65536 and more, infinity */
    return sign | 0x7c00;
  }
  if (magnitude >= 0x38800000) { /* normal: rounding may carry into the exponent, up to infinity, as it should */
    return (uint16_t)(sign | shift_rounded(magnitude - 0x38000000, 13));
  }
  const unsigned exponent = magnitude >> 23;
  if (exponent < 101) { /* at most 2^-26 and a bit: rounds to zero */
    return sign;
  }
  return (uint16_t)(sign | shift_rounded((magnitude & 0x7fffff) | 0x800000, 126 - exponent));
}
