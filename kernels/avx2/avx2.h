/* AVX2's functions, for its table of kernels. */
#ifndef ACTSCOPE_KERNELS_AVX2_AVX2_H
#define ACTSCOPE_KERNELS_AVX2_AVX2_H

#include "kernels/kernels.h"

void avx2_encode(const struct codec *codec, const float *x, uint8_t *codes, size_t n);
void avx2_decode(const struct codec *codec, const uint8_t *codes, const float *dy, float *dx, size_t n,
                 enum store_hint hint);
void avx2_fence(void);
void avx2_bf16_widen(const uint16_t *from, float *to, size_t n);
void avx2_bf16_narrow(const float *from, uint16_t *to, size_t n);
void avx2_fp16_widen(const uint16_t *from, float *to, size_t n);
void avx2_fp16_narrow(const float *from, uint16_t *to, size_t n);

#endif
