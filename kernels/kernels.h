/* What an instruction set has to offer: one table of functions per folder, ref/, avx2/, avx512/, neon/, all of one
 * meaning. They are pure but for the arrays they write; any thread may call them.
 *
 * Arrays need no alignment beyond their element's. An output is the same array as its input or apart from it; codes lie
 * apart from both. */
#ifndef ACTSCOPE_KERNELS_KERNELS_H
#define ACTSCOPE_KERNELS_KERNELS_H

#include "kernels/codec.h"
#include "kernels/function.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the output goes: through the caches, or past them, which spares reading lines that are overwritten anyway. Past
 * them only where nobody reads it soon, and not in place. */
enum store_hint { STORE_CACHED, STORE_STREAM };

/* How far ahead of itself a kernel asks memory for its input: the next block of run.h. */
enum { KERNELS_AHEAD = 2048 };

/* y = f(x) of n floats; params are those of vmath_params(). */
typedef void activate_kernel(const float *x, float *y, size_t n, const float *params, enum store_hint hint);

struct kernels {
  const char *name; /* "ref", "avx2", "avx512", "neon" */

  /* NULL for the functions that have no formula: FUNCTION_STEPWISE and FUNCTION_USER. */
  activate_kernel *activate[FUNCTION_COUNT];

  /* The codes of n floats, code_size(n, bits) bytes. */
  void (*encode)(const struct codec *codec, const float *x, uint8_t *codes, size_t n);

  /* dx = level * dy of n floats, from the stream's first code on. */
  void (*decode)(const struct codec *codec, const uint8_t *codes, const float *dy, float *dx, size_t n,
                 enum store_hint hint);

  /* After stores past the caches, before another thread may look. NULL where none is needed. */
  void (*fence)(void);

  /* n 16-bit floats to and from float. */
  void (*bf16_widen)(const uint16_t *from, float *to, size_t n);
  void (*bf16_narrow)(const float *from, uint16_t *to, size_t n);
  void (*fp16_widen)(const uint16_t *from, float *to, size_t n);
  void (*fp16_narrow)(const float *from, uint16_t *to, size_t n);
};

/* Those that this library was built with. */
extern const struct kernels kernels_ref;
#if defined(__x86_64__)
extern const struct kernels kernels_avx2, kernels_avx512;
#elif defined(__aarch64__)
extern const struct kernels kernels_neon;
#endif

#endif
