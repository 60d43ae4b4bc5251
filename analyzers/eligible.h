/* The eligible activations of a run's representative step as a plain list, for replaying them. */
#ifndef ACTSCOPE_ANALYZERS_ELIGIBLE_H
#define ACTSCOPE_ANALYZERS_ELIGIBLE_H

#include "analyzers/facts.h"

#include <stddef.h>
#include <stdint.h>

struct eligible {
  const char *function; /* of its holder, as torch.nn.functional has it */
  const char *dtype;    /* "float32" */
  const char *layer;    /* "" unless recorded with --layers */
  uint64_t elements, bytes;
  uint64_t save_ns;
};

/* The eligible blocks of facts.saved in the order in which they were saved, in *list, which the caller frees (strings are
 * the facts'); NULL and 0 if there are none. 0, or ERROR_MEMORY. */
int eligible_list(const struct facts *facts, struct eligible **list, size_t *count);

#endif
