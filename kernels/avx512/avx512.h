/* AVX-512's functions, for its table of kernels. */
#ifndef ACTSCOPE_KERNELS_AVX512_AVX512_H
#define ACTSCOPE_KERNELS_AVX512_AVX512_H

#include "kernels/kernels.h"

void avx512_encode(const struct codec *codec, const float *x, uint8_t *codes, size_t n);
void avx512_decode(const struct codec *codec, const uint8_t *codes, const float *dy, float *dx, size_t n,
                   enum store_hint hint);
void avx512_fence(void);
void avx512_bf16_widen(const uint16_t *from, float *to, size_t n);
void avx512_bf16_narrow(const float *from, uint16_t *to, size_t n);
void avx512_fp16_widen(const uint16_t *from, float *to, size_t n);
void avx512_fp16_narrow(const float *from, uint16_t *to, size_t n);

#endif
