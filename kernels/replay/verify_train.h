/* Does few-bit training end where exact training does? The same model trained on real data over several seeds, exact and
 * at each width, and looked at on what it was not trained on. */
#ifndef ACTSCOPE_KERNELS_REPLAY_VERIFY_TRAIN_H
#define ACTSCOPE_KERNELS_REPLAY_VERIFY_TRAIN_H

#include "kernels/replay/model_run.h"

enum { VERIFY_SEEDS_MAX = 64 };

struct verify_train_options {
  struct model_run_options run; /* data must be there; seed: the first, the others follow */
  unsigned bits[QUANTIZER_BITS_MAX];
  size_t bits_count;
  size_t seeds;
  size_t test_batches; /* to look at in the end, 0: all */
};

/* Over the seeds. */
struct verify_spread {
  double mean, deviation, low, high; /* deviation: of a sample; 0 for a single seed */
};

struct verify_outcome {
  unsigned bits; /* 0: exact */
  struct verify_spread loss, accuracy;
  struct train_evaluation runs[VERIFY_SEEDS_MAX]; /* by seed */
  double training_loss[VERIFY_SEEDS_MAX];         /* the mean of the last tenth of the steps */
  bool within;                                    /* no worse than the exact runs' own spread: see verify_train */
};

struct verify_training {
  size_t seeds, count;
  size_t parameters;
  struct verify_outcome outcomes[1 + QUANTIZER_BITS_MAX]; /* exact first */
  bool passed;
};

/* A width is within the spread if the mean of its losses is not above the highest of the exact ones, and that of its
 * accuracies not below the lowest. ERROR_INPUT if an exact run diverged: there is nothing to compare with then. */
int verify_train(struct verify_training *training, const struct verify_train_options *options, struct error *err);

#endif
