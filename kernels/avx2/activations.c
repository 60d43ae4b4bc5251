/* The table of AVX2's kernels: the activations of kernels/vmath.h over arrays, and what codec.c has. */
#include "kernels/avx2/avx2.h"

#include "kernels/activations_simd.h"

VMATH_FUNCTIONS(SIMD_ACTIVATE)

const struct kernels kernels_avx2 = {
    .name = "avx2",
    .activate = {VMATH_FUNCTIONS(SIMD_ACTIVATE_ENTRY)},
    .encode = avx2_encode,
    .decode = avx2_decode,
    .fence = avx2_fence,
    .bf16_widen = avx2_bf16_widen,
    .bf16_narrow = avx2_bf16_narrow,
    .fp16_widen = avx2_fp16_widen,
    .fp16_narrow = avx2_fp16_narrow,
};
