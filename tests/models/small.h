/* Models of every family that are small enough to compare number by number, and what tests do with them again and
 * again. Any failure fails the running test. */
#ifndef ACTSCOPE_TESTS_MODELS_SMALL_H
#define ACTSCOPE_TESTS_MODELS_SMALL_H

#include "kernels/models/choice.h"
#include "kernels/models/model.h"

struct small_case {
  const char *preset, *settings; /* "layers=2 width=16" */
};
extern const struct small_case small_cases[]; /* preset NULL after the last */

struct model_options small_options(const char *preset, const char *settings);
struct model *small_model(const struct model_options *options, struct memory *memory, uint64_t seed);

/* Random batch, forward, backward with dropout and batch statistics; bits 0: exact. Returns the loss; gradients stay
 * with the model. */
float small_step(struct model *model, unsigned bits, uint64_t seed);

/* The parameter of this name. */
struct model_parameter *small_parameter(struct model *model, const char *name);

#endif
