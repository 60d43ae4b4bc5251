/* bfloat16 and IEEE half (fp16) in 16-bit words, to and from float: plain C, what the vector kernels are checked
 * against.
 *
 * To float is exact. From float is rounded to nearest even, overflow gives infinity, denormals are kept. A NaN stays
 * one: quiet, with its sign and the upper bits of its payload. */
#ifndef ACTSCOPE_KERNELS_HALF_H
#define ACTSCOPE_KERNELS_HALF_H

#include <stdint.h>

float bf16_to_float(uint16_t bits);
uint16_t bf16_from_float(float x);

float fp16_to_float(uint16_t bits);
uint16_t fp16_from_float(float x);

#endif
