/* The heap over time and the peak's call tree as Valgrind's massif writes them; ms_print and massif-visualizer read it. */
#ifndef ACTSCOPE_REPORTS_MASSIF_H
#define ACTSCOPE_REPORTS_MASSIF_H

#include "analyzers/facts.h"
#include "reports/sink.h"

/* At most a hundred snapshots, each the highest of its share of the run, and the peak, which alone has a tree; times are
 * milliseconds. Functions below 1% of the peak are summed up, as massif does. */
void massif_emit(struct sink *sink, const struct facts *facts);

#endif
