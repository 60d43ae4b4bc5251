/* What stacks did over the whole run, whether or not it was at the peak: how often they allocated, how much, how often for
 * nothing, and what they left. */
#ifndef ACTSCOPE_ANALYZERS_TRAFFIC_H
#define ACTSCOPE_ANALYZERS_TRAFFIC_H

#include "analyzers/analysis.h"
#include "analyzers/facts.h"

#include <stdint.h>

/* So many stacks of each order (allocations, temporary ones, bytes left) are told of. Stacks of one site are summed up for
 * people, which is why there are more of them than anybody reads. */
#define TRAFFIC_STACKS 100

/* when (by stack; SAVED_NEVER: need not be named) becomes the time of an allocation for the busiest ones. */
void traffic_want(const struct timeline *timeline, uint64_t *when);

/* Fills in facts->traffic, small_traffic and busy_sites; the stacks that are wanted have their names. 0, or ERROR_MEMORY. */
int traffic_list(const struct analysis *analysis, struct facts *facts);

#endif
