/* The table of ops: follows from the list of saved blocks alone. */
#ifndef ACTSCOPE_ANALYZERS_FACTS_OPS_H
#define ACTSCOPE_ANALYZERS_FACTS_OPS_H

#include "analyzers/facts.h"

/* Fills in facts->by_op from facts->saved, largest first. 0, or ERROR_MEMORY. */
int facts_count_ops(struct facts *facts);

#endif
