/* Forward and backward over arrays of any length and type: blocks that stay in the first-level cache, threads for long
 * arrays, stores past the caches for very long ones. */
#ifndef ACTSCOPE_KERNELS_RUN_H
#define ACTSCOPE_KERNELS_RUN_H

#include "kernels/kernels.h"
#include "kernels/vmath_params.h"

enum run_type { RUN_FLOAT32, RUN_BFLOAT16, RUN_FLOAT16 };

enum {
  RUN_BLOCK = KERNELS_AHEAD,  /* elements; whole bytes of codes at any bits */
  RUN_CHUNK = 64 * RUN_BLOCK, /* what a thread takes at once; shorter arrays stay on the caller's thread */
  RUN_STREAM_BYTES = 8 << 20, /* outputs of this size and more go past the caches */
};

static inline size_t run_type_size(enum run_type type) {
  return type == RUN_FLOAT32 ? sizeof(float) : sizeof(uint16_t);
}

struct run_function {
  struct function function;
  float params[VMATH_PARAMS];
};

/* How the levels are chosen between, when not by the breakpoints. */
struct run_stochastic {
  uint64_t seed;
  uint64_t first; /* the number of element 0 in the stream of random numbers */
};

struct run_forward {
  const struct kernels *kernels;
  const struct codec *codec;
  const struct run_function *function;
  const struct stochastic *stochastic; /* NULL: by the breakpoints */
  struct run_stochastic random;
  enum run_type type;
  const void *x;
  void *y;        /* x itself, apart from it, or NULL: codes only */
  uint8_t *codes; /* or NULL: y only */
  size_t n;
};
void run_forward(const struct run_forward *run);

struct run_backward {
  const struct kernels *kernels;
  const struct codec *codec;
  enum run_type type;
  const uint8_t *codes;
  const void *dy;
  void *dx; /* dy itself or apart from it */
  size_t n;
};
void run_backward(const struct run_backward *run);

#endif
