/* Advice under way: candidates, each with its scenario, and the sources that make them. Private to advice*.c. */
#ifndef ACTSCOPE_ANALYZERS_ADVICE_CANDIDATE_H
#define ACTSCOPE_ANALYZERS_ADVICE_CANDIDATE_H

#include "analyzers/advice.h"
#include "analyzers/facts_layers.h"
#include "analyzers/map64.h"
#include "analyzers/simulation.h"

#include <stdbool.h>
#include <stdint.h>

enum { ADVICE_CANDIDATES_MAX = 16, ADVICE_NAMES_MAX = 64 };

struct tally { /* names by bytes; what is more than ADVICE_NAMES_MAX is left out */
  struct {
    const char *name; /* interned: told apart by its address */
    uint64_t bytes;
  } items[ADVICE_NAMES_MAX];
  size_t count;
};

struct candidate {
  struct facts_advice advice;
  struct scenario scenario;
  struct tally ops, layers;
  uint64_t largest; /* allocation so far, whose site is advice.site */
};

struct advisor {
  struct analysis *analysis;
  struct facts *facts;
  const struct category_shares *shares;
  struct candidate *candidates; /* ADVICE_CANDIDATES_MAX */
  size_t count;
  struct scenario_groups groups;
  struct facts_layers layers;
  struct map64 patterns; /* a layer's name -> its pattern, both interned, by address */
};

/* The sources; each makes what candidates it finds. 0, or ERROR_MEMORY. */
int advice_masks(struct advisor *advisor);
int advice_gradients(struct advisor *advisor);
int advice_kept(struct advisor *advisor);
int advice_recomputed(struct advisor *advisor);
int advice_temporaries(struct advisor *advisor);

/* A new candidate, in *candidate; NULL there if there are too many already. 0, or ERROR_MEMORY. */
int candidate_new(struct advisor *advisor, enum advice_kind kind, struct candidate **candidate);

struct relief { /* so many bytes less from one event to another */
  uint64_t bytes, from, to;
  const char *op, *layer; /* interned in facts->strings; NULL: not to be named */
  uint32_t stack;         /* of the allocation */
};

/* Adds it to the candidate. 0, or ERROR_MEMORY. */
int candidate_take(struct advisor *advisor, struct candidate *candidate, const struct relief *relief);

/* Layers of one kind are told as one: "blocks.*.mlp.act" of "blocks.3.mlp.act". Interned; NULL: no memory. */
const char *advice_like_layers(struct advisor *advisor, const char *layer);

void tally_add(struct tally *tally, const char *name, uint64_t bytes);
/* "gelu, silu and 2 more", largest first, interned; NULL: no memory. */
char *tally_join(struct tally *tally, struct strings *strings);

/* Is this a row whose block could be without it: a step's, of a heap block, held by ops that are known to let go? */
bool advice_row_counts(const struct saved_row *row);

#endif
