/* The memory of a training step of a built-in model, at any size: the very code of a step, over a meter that gives no
 * memory. Numbers are float32. */
#ifndef ACTSCOPE_KERNELS_REPLAY_PLAN_H
#define ACTSCOPE_KERNELS_REPLAY_PLAN_H

#include "kernels/replay/model_run.h"

enum { PLAN_WIDTHS = 1 + QUANTIZER_BITS_MAX };

struct plan_options {
  struct model_options model;
  struct optimizer_options optimizer;
  enum quantizer_method method;
  unsigned bits[QUANTIZER_BITS_MAX];
  size_t bits_count;
};

struct plan {
  struct optimizer_options optimizer;
  size_t widths_count;
  struct model_run runs[PLAN_WIDTHS]; /* exact, then by bits: meter at the peak, saved rows grouped */
  struct saved_rows by_op[PLAN_WIDTHS];
};

int plan_make(struct plan *plan, const struct plan_options *options, struct error *err);
void plan_fini(struct plan *plan); /* after failure, too */

#endif
