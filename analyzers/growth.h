/* A run that keeps for backward what earlier steps have saved: more of it at the end of each step than of the one before. */
#ifndef ACTSCOPE_ANALYZERS_GROWTH_H
#define ACTSCOPE_ANALYZERS_GROWTH_H

#include "analyzers/facts.h"

#include <stdbool.h>
#include <stdint.h>

struct growth {
  unsigned first, last;             /* steps */
  uint64_t first_bytes, last_bytes; /* that earlier steps saved, and that are held when these end */
};

/* False: it does not grow, or that is not known (nothing seen being saved, or no history). */
bool growth_find(const struct facts *facts, struct growth *growth);

#endif
