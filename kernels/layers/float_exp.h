/* e^x in float32, written so that compilers make vectors of it: no call, no branch, no table. */
#ifndef ACTSCOPE_KERNELS_LAYERS_FLOAT_EXP_H
#define ACTSCOPE_KERNELS_LAYERS_FLOAT_EXP_H

#include <stdint.h>
#include <string.h>

/* Within 2 ulp for -87 <= x <= 88; below that it stays at e^-87 = 1.6e-38, above at e^88; NaN gives NaN.
 *
 * x = n log 2 + r, |r| <= log(2) / 2: e^x = 2^n e^r, and e^r by Cephes' polynomial (expf.c). Adding 1.5 2^23 leaves the
 * nearest integer in the low bits. */
static inline float float_exp(float x) {
  const float round = 0x1.8p23f;
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shifted = x * 0x1.715476p+0f + round;
  const float n = shifted - round;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127) << 23; /* 2^n: the rounding constant's own bits fall off the top */
  float power;
  memcpy(&power, &bits, sizeof power);
  return p * power;
}

#endif
