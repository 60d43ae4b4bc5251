/* The table of NEON's kernels: the activations of kernels/vmath.h over arrays, and what codec.c has. */
#include "kernels/neon/neon.h"

#include "kernels/activations_simd.h"

VMATH_FUNCTIONS(SIMD_ACTIVATE)

const struct kernels kernels_neon = {
    .name = "neon",
    .activate = {VMATH_FUNCTIONS(SIMD_ACTIVATE_ENTRY)},
    .encode = neon_encode,
    .decode = neon_decode,
    .bf16_widen = neon_bf16_widen,
    .bf16_narrow = neon_bf16_narrow,
    .fp16_widen = neon_fp16_widen,
    .fp16_narrow = neon_fp16_narrow,
};
