/* SGD with momentum and AdamW, as torch.optim defines them. Their state goes through the model's meter, as
 * MEMORY_OPTIMIZER, from the start (PyTorch makes it in the first step): every step measured is a steady one. */
#ifndef ACTSCOPE_KERNELS_MODELS_OPTIMIZER_H
#define ACTSCOPE_KERNELS_MODELS_OPTIMIZER_H

#include "kernels/models/model.h"

enum optimizer_kind { OPTIMIZER_SGD, OPTIMIZER_ADAMW };

struct optimizer_options {
  enum optimizer_kind kind;
  float rate;                  /* of learning */
  float decay;                 /* of weights that decay: SGD adds it to the gradient, AdamW shrinks the weight itself */
  float momentum;              /* SGD; 0: no state at all */
  float beta1, beta2, epsilon; /* AdamW */
};
/* PyTorch's defaults; SGD: rate 0.01, momentum 0.9. */
struct optimizer_options optimizer_defaults(enum optimizer_kind kind);
/* "sgd", "adamw"; ERROR_USAGE with what there is. */
int optimizer_find(enum optimizer_kind *kind, const char *name, struct error *err);

struct optimizer {
  struct optimizer_options options;
  struct model *model;      /* borrowed: outlives the optimizer */
  struct tensor **moments1; /* by parameter; NULL if the kind has none */
  struct tensor **moments2;
  size_t steps; /* done */
};

int optimizer_init(struct optimizer *optimizer, const struct optimizer_options *options, struct model *model,
                   struct error *err);
void optimizer_fini(struct optimizer *optimizer); /* one that is zeroed is allowed */

/* One step at options.rate times rate_factor (for schedules). A parameter without gradient stays as it is. Does not
 * compute in a dry meter. */
void optimizer_step(struct optimizer *optimizer, float rate_factor);

#endif
