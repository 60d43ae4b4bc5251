/* An activation of kernels/vmath.h over an array: the loop, once for all instruction sets. Each one's activations.c
 * makes its functions of it: VMATH_FUNCTIONS(SIMD_ACTIVATE). */
#ifndef ACTSCOPE_KERNELS_ACTIVATIONS_SIMD_H
#define ACTSCOPE_KERNELS_ACTIVATIONS_SIMD_H

#include "kernels/kernels.h"
#include "kernels/simd.h"
#include "kernels/vmath.h"
#include "kernels/vmath_params.h"

#define SIMD_ACTIVATE(ID, name)                                                                                        \
  static __attribute__((noinline)) void few_##name(const float *x, float *y, size_t n, const float *params) {          \
    vf_store_n(y, vmath_##name(vf_load_n(x, n), params), n);                                                           \
  }                                                                                                                    \
  static void activate_##name(const float *x, float *y, size_t n, const float *params, enum store_hint hint) {         \
    size_t i = 0;                                                                                                      \
    if (hint == STORE_STREAM) {                                                                                        \
      const size_t head = (size_t)(-(uintptr_t)y % sizeof(vf) / sizeof *y);                                            \
      i = head < n ? head : n;                                                                                         \
      few_##name(x, y, i, params);                                                                                     \
      for (; i + 2 * VF_LANES <= n; i += 2 * VF_LANES) {                                                               \
        simd_ask_ahead(x + i, 2 * VF_LANES);                                                                           \
        const vf a = vmath_##name(vf_load(x + i), params), b = vmath_##name(vf_load(x + i + VF_LANES), params);        \
        vf_stream(y + i, a);                                                                                           \
        vf_stream(y + i + VF_LANES, b);                                                                                \
      }                                                                                                                \
    } else {                                                                                                           \
      for (; i + 2 * VF_LANES <= n; i += 2 * VF_LANES) {                                                               \
        simd_ask_ahead(x + i, 2 * VF_LANES);                                                                           \
        const vf a = vmath_##name(vf_load(x + i), params), b = vmath_##name(vf_load(x + i + VF_LANES), params);        \
        vf_store(y + i, a);                                                                                            \
        vf_store(y + i + VF_LANES, b);                                                                                 \
      }                                                                                                                \
    }                                                                                                                  \
    if (n - i >= VF_LANES) {                                                                                           \
      vf_store(y + i, vmath_##name(vf_load(x + i), params));                                                           \
      i += VF_LANES;                                                                                                   \
    }                                                                                                                  \
    few_##name(x + i, y + i, n - i, params);                                                                           \
  }

#define SIMD_ACTIVATE_ENTRY(ID, name) [ID] = activate_##name,

#endif
