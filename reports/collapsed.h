/* Allocation stacks by bytes at the peak, as flamegraph.pl, inferno and speedscope read them. */
#ifndef ACTSCOPE_REPORTS_COLLAPSED_H
#define ACTSCOPE_REPORTS_COLLAPSED_H

#include "analyzers/facts.h"
#include "reports/sink.h"

/* Lines "outermost;...;innermost bytes". Their bytes sum to the peak: what has no stack of its own (small blocks, sites
 * beyond those listed) is a line in brackets. */
void collapsed_emit(struct sink *sink, const struct facts *facts);

#endif
