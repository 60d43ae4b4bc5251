/* The saved blocks of every step, and another step than the representative one. */
#ifndef ACTSCOPE_ANALYZERS_FACTS_SAVED_H
#define ACTSCOPE_ANALYZERS_FACTS_SAVED_H

#include "analyzers/facts.h"

/* Calls visit for each saved activation of every step, in the order in which they were first saved; of the listed ones
 * only where there is no history. The block is visit's for that call. Stops at what visit returns, unless it is 0.
 * 0, or that, or ERROR_MEMORY. */
int facts_each_saved(const struct facts *facts,
                     int (*visit)(void *context, int step, const struct facts_saved_block *block), void *context);

/* Puts what this step saved (at the moment of its saved_bytes) in the place of the representative step's: saved_step,
 * saved_bytes, saved_blocks, saved, by_op. Needs facts->history; step < steps_count. 0, or ERROR_MEMORY. */
int facts_take_step(struct facts *facts, unsigned step);

#endif
