/* The part of assembling facts that names things: saved blocks and their ops, stacks, sites at the peak. Private. */
#ifndef ACTSCOPE_ANALYZERS_ASSEMBLE_SAVED_H
#define ACTSCOPE_ANALYZERS_ASSEMBLE_SAVED_H

#include "analyzers/analysis.h"

struct peak_share { /* of one allocation stack, at the peak: bytes */
  int64_t saved, parameter;
};

/* Judges every row of the history and hands it over to facts; fills in facts->saved, replaceables, stacks and sites,
 * and shares (by stack id, zeroed). 0, or ERROR_MEMORY. */
int assemble_saved(struct analysis *analysis, struct facts *facts, struct peak_share *shares);

#endif
