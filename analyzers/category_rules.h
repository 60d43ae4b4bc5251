/* What a block that lasts is, from its whole life: when in the training loop it was born, how many steps it outlived, under
 * which frames it was allocated, and whether its size is that of a parameter. docs/categories.md says the rules in words. */
#ifndef ACTSCOPE_ANALYZERS_CATEGORY_RULES_H
#define ACTSCOPE_ANALYZERS_CATEGORY_RULES_H

#include "analyzers/facts.h"
#include "analyzers/lasting.h"
#include "analyzers/map64.h"
#include "analyzers/regions.h"
#include "analyzers/saved_history.h"
#include "analyzers/stack_traits.h"
#include "analyzers/steps.h"

#include <stdbool.h>
#include <stdint.h>

/* What a region is for. It has its place in the arena all the time, so that it counts as that from the arena's allocation to
 * its end, as it was carved when the arena was fullest. */
struct region_role {
  enum category category; /* parameter, saved activation, or CATEGORY_COUNT: none, its arena's rest */
  uint32_t row;           /* its first, which stands for it */
};

struct parameter_size { /* what is known of all parameters of one size */
  uint64_t parameters;
  uint64_t state_window; /* steps that had begun when the first optimizer state of this size was made; 0: none yet */
  uint64_t states;       /* made then */
};

struct category_rules { /* the first five are borrowed and set before category_rules_init */
  const struct steps *steps;
  const struct saved_history *history;
  const struct regions *regions;
  const struct lasting *lasting;
  struct stack_traits *traits;
  struct map64 size_of; /* a parameter's bytes -> index in sizes + 1 */
  struct parameter_size *sizes;
  uint32_t *windows; /* by stack: between how many pairs of steps it allocated a block that outlived the next begin */
  struct region_role *roles; /* by region */
  bool *computing;           /* by stack: in some step it allocated after a parameter had entered the graph */
  bool reduces;              /* DistributedDataParallel has had all parameters enter a graph, before any step */
};

int category_rules_init(struct category_rules *rules); /* 0, or ERROR_MEMORY */
void category_rules_fini(struct category_rules *rules);

/* What the block is while no op holds it for backward; of an arena, what it is beside its regions. To be asked once for each
 * block, in the order of their birth. */
enum category category_rules_judge(struct category_rules *rules, const struct lasting_block *block);

#endif
