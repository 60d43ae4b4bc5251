/* The part of assembling facts that names things: saved blocks and their ops, stacks, sites at the peak. Private. */
#ifndef ACTSCOPE_ANALYZERS_ASSEMBLE_SAVED_H
#define ACTSCOPE_ANALYZERS_ASSEMBLE_SAVED_H

#include "analyzers/analysis.h"
#include "analyzers/categories.h"

/* Judges every row of the history and hands it over to facts; fills in facts->saved, replaceables, stacks and sites, whose
 * categories are those of shares (by stack id). 0, or ERROR_MEMORY. */
int assemble_saved(struct analysis *analysis, struct facts *facts, const struct category_shares *shares);

#endif
