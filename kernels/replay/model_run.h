/* A built-in model trained some steps, exact or at a width, through a meter of its own; or the same dry, which computes
 * nothing. What plan, replay and verify are made of. */
#ifndef ACTSCOPE_KERNELS_REPLAY_MODEL_RUN_H
#define ACTSCOPE_KERNELS_REPLAY_MODEL_RUN_H

#include "common/error.h"
#include "kernels/models/train.h"
#include "kernels/quantizer.h"
#include "kernels/replay/saved_rows.h"

#include <stdbool.h>
#include <stdint.h>

struct model_run_options {
  struct model_options model;
  struct optimizer_options optimizer;
  size_t steps, warmup;
  uint64_t seed;           /* of weights, batches and dropout */
  const struct data *data; /* NULL: random batches */
  enum quantizer_method method;
  void (*progress)(void *context, const struct train_step *step); /* after each; or NULL */
  void *context;
};

struct model_run {
  unsigned bits;              /* 0: exact */
  struct model_options model; /* sizes that follow from others filled in */
  size_t parameters;          /* numbers, not bytes */
  struct train_result train;  /* curve, and the meter at the highest peak */
  struct saved_rows saved;    /* of the first step */
  size_t saved_bytes;         /* the meter's peak of saved bytes, of the step with the highest peak */
};

/* ERROR_MEMORY where memory does not suffice. The result needs model_run_fini, after failure too. */
int model_run(const struct model_run_options *options, unsigned bits, bool dry, struct model_run *run,
              struct error *err);
void model_run_fini(struct model_run *run);

/* Numbers in all its parameters. */
size_t model_run_parameters(const struct model *model);

/* ERROR_MEMORY, before anything is computed, if a step will need more than the machine has; `beside`: bytes that will be
 * needed at the same time. */
int model_run_check(const struct model_run_options *options, size_t beside, struct error *err);

#endif
