/* Trains a built-in model exact and at each width, from one seed and on the same batches: what was held, how long a step
 * took, how the loss went. */
#ifndef ACTSCOPE_KERNELS_REPLAY_REPLAY_MODEL_H
#define ACTSCOPE_KERNELS_REPLAY_REPLAY_MODEL_H

#include "kernels/replay/model_run.h"

struct replay_model_options {
  struct model_run_options run;
  unsigned bits[1 + QUANTIZER_BITS_MAX]; /* in this order; 0: exact */
  size_t bits_count;
};

struct replay_model {
  size_t runs_count;
  struct model_run runs[1 + QUANTIZER_BITS_MAX];    /* measured; saved rows grouped */
  struct model_run planned[1 + QUANTIZER_BITS_MAX]; /* a dry step of each: saved rows not grouped */
};

int replay_model(struct replay_model *replay, const struct replay_model_options *options, struct error *err);
void replay_model_fini(struct replay_model *replay); /* after failure, too */

#endif
