/* The vector types and operations that the kernels are written in, for the instruction set that the file is compiled
 * for.
 *
 *   vf  a vector of VF_LANES floats          vf_*
 *   vi  as many 32-bit integers              vi_*
 *   vm  as many truth values                 vm_*, and what vf_cmp_* and vi_cmp_* give
 *
 * simd_avx512.h, simd_avx2.h and simd_neon.h define the same names with the same meaning, so that kernels/vmath.h and
 * the loops over arrays are written once. Nothing here may be included from a file that is compiled without the flags
 * of its instruction set: all is inlined, and no symbol with those instructions reaches the linker.
 *
 * Where instruction sets differ, the meaning is this:
 *   vf_min(a, b) is a < b ? a : b and vf_max(a, b) is a > b ? a : b: the second operand if either is NaN.
 *   Comparisons with NaN are false, but for vf_cmp_neq and vf_cmp_unord.
 *   vf_fma(a, b, c) = a b + c, vf_fnma(a, b, c) = c - a b, vf_fms(a, b, c) = a b - c, each rounded once.
 *   vf_to_vi rounds to nearest even; arguments outside the integers' range give an unspecified integer.
 *   Shifts by 32 or more (variable ones) are not to be used. */
#ifndef ACTSCOPE_KERNELS_SIMD_H
#define ACTSCOPE_KERNELS_SIMD_H

#define SIMD_INLINE static inline __attribute__((always_inline, unused))

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#include "kernels/simd_avx512.h"
#elif defined(__AVX2__) && defined(__FMA__)
#include "kernels/simd_avx2.h"
#elif defined(__aarch64__)
#include "kernels/simd_neon.h"
#else
/* cppcheck-suppress preprocessorErrorDirective */
#error "kernels/simd.h: compile this file with the flags of AVX2 and FMA, of AVX-512, or for AArch64"
#endif

#include "kernels/kernels.h"

/* Asks memory for what will be read KERNELS_AHEAD floats from p on, so many floats (a constant): the processor's own
 * prefetching stops at the end of a page and starts anew with each pass over a block. Harmless beyond an array's end,
 * where p may not point. */
SIMD_INLINE void simd_ask_ahead(const float *p, unsigned floats) {
  const uintptr_t ahead = (uintptr_t)p + KERNELS_AHEAD * sizeof *p;
  for (unsigned i = 0; i < floats; i += 64 / sizeof *p) {
    __builtin_prefetch((const void *)(ahead + i * sizeof *p), 0,
                       2); /* to the second-level cache: the first is in use */
  }
}

#endif
