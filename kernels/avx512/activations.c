/* The table of AVX-512's kernels: the activations of kernels/vmath.h over arrays, and what codec.c has. */
#include "kernels/avx512/avx512.h"

#include "kernels/activations_simd.h"

VMATH_FUNCTIONS(SIMD_ACTIVATE)

const struct kernels kernels_avx512 = {
    .name = "avx512",
    .activate = {VMATH_FUNCTIONS(SIMD_ACTIVATE_ENTRY)},
    .encode = avx512_encode,
    .decode = avx512_decode,
    .fence = avx512_fence,
    .bf16_widen = avx512_bf16_widen,
    .bf16_narrow = avx512_bf16_narrow,
    .fp16_widen = avx512_fp16_widen,
    .fp16_narrow = avx512_fp16_narrow,
};
