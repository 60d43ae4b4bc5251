/* What lives at the peak, by allocation stack, as a gzipped profile.proto, which pprof (`go tool pprof`, pprof.me,
 * speedscope) reads. */
#ifndef ACTSCOPE_REPORTS_PPROF_H
#define ACTSCOPE_REPORTS_PPROF_H

#include "analyzers/facts.h"
#include "reports/sink.h"

/* Sample types inuse_objects (count) and inuse_space (bytes, the default). A sample a stack, with the labels "category"
 * and, where an op allocated, "op"; what has no stack is a sample of "[small blocks]" or "[sites not listed]", so that the
 * space sums to the peak. Binary: a terminal has no use for it. */
void pprof_emit(struct sink *sink, const struct facts *facts);

#endif
