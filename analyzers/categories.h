/* What the run's live bytes consist of, at the peak and over time: parameters, gradients, optimizer state, inputs, saved
 * activations, temporaries, small blocks, and the rest. Where a run has no steps nothing is claimed but what the program
 * itself says is a parameter or saved. */
#ifndef ACTSCOPE_ANALYZERS_CATEGORIES_H
#define ACTSCOPE_ANALYZERS_CATEGORIES_H

#include "analyzers/analysis.h"
#include "analyzers/facts.h"

#include <stdint.h>

struct category_shares { /* of one allocation stack, at the peak */
  int64_t bytes[CATEGORY_COUNT];
  uint64_t blocks[CATEGORY_COUNT]; /* an arena is a block under each category that it has bytes of */
  uint64_t lasting_blocks;         /* of all of them, those whose category is judged by itself */
};

/* Fills in facts->categories, the categories of facts->timeline, and shares (by stack id, zeroed), each summing to what was
 * live; finds analysis->lasting and judges what it holds. facts->peak and facts->timeline are there, and steps are known. Reads
 * the trace a second time.
 * 0, or ERROR_MEMORY. */
int categories_assign(struct analysis *analysis, struct facts *facts, struct category_shares *shares);

#endif
