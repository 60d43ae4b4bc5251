/* What would have lowered the peak of this run, from its own figures: each piece of advice is a change to the run's blocks,
 * and its saving the run simulated again with that change. docs/advice.md says what each means and assumes. */
#ifndef ACTSCOPE_ANALYZERS_ADVICE_H
#define ACTSCOPE_ANALYZERS_ADVICE_H

#include "analyzers/analysis.h"
#include "analyzers/categories.h"
#include "analyzers/facts.h"

/* Fills in facts->advice, largest saving first: what saves a hundredth of the peak or more. Everything else of facts is
 * there; shares are those at the peak (categories.h). Reads the trace once more where there is something to simulate. A run
 * without steps gets none. 0, or ERROR_MEMORY. */
int advice_find(struct analysis *analysis, struct facts *facts, const struct category_shares *shares);

#endif
