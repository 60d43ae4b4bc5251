/* A part of the facts, and their order: what a reader asks a report for. Views show what is left, so that all say the same. */
#ifndef ACTSCOPE_ANALYZERS_FACTS_SELECT_H
#define ACTSCOPE_ANALYZERS_FACTS_SELECT_H

#include "analyzers/facts.h"
#include "analyzers/facts_layers.h"
#include "common/error.h"

enum facts_order { /* the largest first, or the first in the alphabet, or the one saved first */
                   FACTS_BY_BYTES,
                   FACTS_BY_BLOCKS,
                   FACTS_BY_ELIGIBLE,
                   FACTS_BY_NAME,
                   FACTS_BY_TIME,
                   FACTS_ORDERS
};
extern const char *const facts_order_names[FACTS_ORDERS]; /* "bytes", ... */

struct facts_selection {
  const char *ops;    /* "gelu,silu": saved blocks that one of them holds; NULL: all */
  const char *layers; /* "blocks.*.mlp,head": saved blocks of these layers and of those below them; NULL: all */
  int step;           /* -1: the one that saved most, of those between since and until */
  uint64_t since_ns, until_ns;
  enum facts_order order;
};
#define FACTS_SELECT_ALL                                                                                               \
  { .step = -1, .until_ns = UINT64_MAX }

/* Does it need facts->history: may another step than the representative one be shown? */
bool facts_selection_needs_history(const struct facts_selection *selection);
/* Does it leave out saved blocks of the step that is shown? */
bool facts_selection_filters(const struct facts_selection *selection);

/* Does it ask for a part of the run at all? The order is none. */
bool facts_selection_is_part(const struct facts_selection *selection);

/* Leaves in facts what is selected: the step, its saved blocks, and by_op for the ops (both in order); steps and samples that
 * meet [since, until). saved_bytes and saved_blocks stay those of the whole step; peak, categories, sites and projections
 * stay those of the run. ERROR_USAGE if there is no such step, or ERROR_MEMORY. */
int facts_select(struct facts *facts, const struct facts_selection *selection, struct error *err);

/* Sorts the layers, too, which were summed from facts. 0, or ERROR_MEMORY. */
int facts_layers_sort(struct facts_layers *layers, const struct facts *facts, enum facts_order order);

#endif
