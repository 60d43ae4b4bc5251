/* Training: steps of forward, backward and update, timed and metered; and the loss on what was not trained on. */
#ifndef ACTSCOPE_KERNELS_MODELS_TRAIN_H
#define ACTSCOPE_KERNELS_MODELS_TRAIN_H

#include "kernels/models/data.h"
#include "kernels/models/model.h"
#include "kernels/models/optimizer.h"

struct train_step {
  size_t step;        /* from 1 */
  float loss;         /* before the update; 0 in a dry meter */
  uint64_t ns;        /* the whole step, batch included */
  size_t peak, saved; /* bytes: the meter's peak, and its peak of saved bytes, in this step */
};

/* Called as a step goes on; NULL where nobody listens. What is not 0 ends the training and is its result. */
struct train_hooks {
  void *context;
  int (*forward)(void *context, const struct tape *tape);     /* before backward: nodes say what is saved */
  int (*gradients)(void *context, const struct model *model); /* before the update */
  int (*step)(void *context, const struct train_step *step);
};

struct train_options {
  struct optimizer_options optimizer;
  size_t steps;
  size_t warmup;               /* steps over which the rate rises from rate / warmup to rate */
  uint64_t seed;               /* of batches and dropout */
  const struct data *data;     /* NULL: random batches */
  struct fewbit_choice fewbit; /* zeroed: exact */
};

struct train_result {
  size_t steps;
  struct train_step *curve; /* steps of them */
  uint64_t step_ns;         /* median */
  struct memory meter;      /* as it stood at the end of the step with the highest peak */
};

/* Trains the model in place. The result needs train_result_fini, after failure too. */
int train_run(struct model *model, const struct train_options *options, const struct train_hooks *hooks,
              struct train_result *result, struct error *err);
void train_result_fini(struct train_result *result);

/* Step number `step` (from 1) on a batch: forward, backward, update, as train_run does it; for who has a loop of his own.
 * Gradients stay until the next. options: seed, warmup, fewbit. */
int train_once(struct model *model, struct optimizer *optimizer, const struct batch *batch,
               const struct train_options *options, size_t step, const struct train_hooks *hooks, float *loss,
               struct error *err);

struct train_evaluation {
  double loss, accuracy; /* means over what was asked: test characters or images */
  size_t count;
};
/* On the test part, at most `batches` batches of it (0: all), without dropout, exact. */
int train_evaluate(struct model *model, const struct data *data, size_t batches, struct train_evaluation *evaluation,
                   struct error *err);

#endif
