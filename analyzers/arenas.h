/* What few-bit codes could replace of arenas, once a run has ended. An arena holds its place whether or not its pieces are in use:
 * it is taken as carved smaller, in the way in which it was carved when it was fullest. */
#ifndef ACTSCOPE_ANALYZERS_ARENAS_H
#define ACTSCOPE_ANALYZERS_ARENAS_H

#include "analyzers/analysis.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct region_use { /* what the steps' rows say of one region */
  bool refused;     /* in some step codes could not have replaced it */
  bool listed;      /* in facts.saved */
  char *op;         /* whose codes could replace it; NULL: nobody's */
  uint64_t elements;
};

/* By region; the caller frees it. NULL: no memory. Rows have been judged, and marked as listed. */
struct region_use *arenas_uses(const struct analysis *analysis);

/* How many regions codes could replace; with a list that has room for them, writes them there. */
size_t arenas_list_replaceables(const struct analysis *analysis, const struct region_use *uses,
                                struct facts_replaceable *list);

#endif
