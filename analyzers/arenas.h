/* What the pieces of arenas come to over a whole run, once it has ended: what the arenas' bytes are at the peak, and what few-bit
 * codes could replace.
 *
 * An arena holds its place whether or not its pieces are in use. So a piece that steps save counts as a saved activation at
 * the peak even where it is not held at that very moment; and it is carved as it was when it was fullest. */
#ifndef ACTSCOPE_ANALYZERS_ARENAS_H
#define ACTSCOPE_ANALYZERS_ARENAS_H

#include "analyzers/analysis.h"
#include "analyzers/assemble_saved.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the rows of one region say of it. */
struct region_use {
  bool saved;    /* one of a step's saved activations, in any step */
  bool resident; /* a parameter or buffer */
  bool refused;  /* in some step codes could not have replaced it */
  bool listed;   /* in facts.saved */
  char *op;      /* whose codes could replace it; NULL: nobody's */
  uint64_t elements;
};

/* By region; the caller frees it. NULL: no memory. Rows have been judged, and marked as listed. */
struct region_use *arenas_uses(const struct analysis *analysis);

/* Adds the regions of the arenas that live at the peak to the shares of their arenas' stacks. */
void arenas_share_peak(const struct analysis *analysis, const struct region_use *uses, struct peak_share *shares);

/* How many regions codes could replace; with a list that has room for them, writes them there. */
size_t arenas_list_replaceables(const struct analysis *analysis, const struct region_use *uses,
                                struct facts_replaceable *list);

#endif
