/* The run over time, in Chrome's trace event format, which Perfetto (ui.perfetto.dev), chrome://tracing and speedscope
 * open. */
#ifndef ACTSCOPE_REPORTS_CHROME_H
#define ACTSCOPE_REPORTS_CHROME_H

#include "analyzers/facts.h"
#include "reports/sink.h"

/* One process: counters of the live bytes (saved activations and the rest) from the timeline's samples; a thread of steps
 * and their phases, with an instant event where each step begins and one at the peak; and as many threads as blocks are
 * held at once at most, with a slice for every saved block (of every step, if facts have a history) from its first save to
 * its last release. Times are microseconds since the trace began, thousandths being nanoseconds. */
void chrome_emit(struct sink *sink, const struct facts *facts);

#endif
