/* What processes come to together. Private to ranks.c. */
#ifndef ACTSCOPE_ANALYZERS_RANKS_SUMS_H
#define ACTSCOPE_ANALYZERS_RANKS_SUMS_H

#include "analyzers/ranks.h"

/* Fills in the sums of the nodes, the spreads and the projections, once roles are known. 0, or a negative code. */
int ranks_sums(struct ranks *ranks, void (*progress)(void *context, double share), void *context, struct error *err);

#endif
