/* One activation function over one array, exact or few-bit, in the array's own type: what a step of training runs. */
#ifndef ACTSCOPE_KERNELS_REPLAY_REPLAY_PASS_H
#define ACTSCOPE_KERNELS_REPLAY_REPLAY_PASS_H

#include "actscope/fewbit.h"
#include "kernels/function.h"
#include "kernels/run.h"

#include <stdbool.h>
#include <stddef.h>

struct replay_pass {
  struct function function;
  enum run_type type;
  unsigned bits;                            /* 0: exact */
  const struct fewbit_quantizer *quantizer; /* few-bit: whose codes; exact: any of the function's, for f. Borrowed */
};

/* Exact: is y kept for backward, as autograd does for relu, tanh, sigmoid, and not x? */
bool replay_pass_keeps_result(const struct replay_pass *pass);
/* What is kept of n elements: x or y, or codes. */
size_t replay_pass_held_bytes(const struct replay_pass *pass, size_t n);

/* y = f(x); codes of replay_pass_held_bytes bytes, not read if exact. */
void replay_pass_forward(const struct replay_pass *pass, const void *x, void *y, void *codes, size_t n);
/* dx from dy and what is kept: x, y or codes. */
void replay_pass_backward(const struct replay_pass *pass, const void *kept, const void *dy, void *dx, size_t n);

#endif
