/* The projected timeline: what the run's live bytes over time would have been with few-bit codes, on the samples that facts
 * keep for plots. Its highest is the projected peak. */
#ifndef ACTSCOPE_ANALYZERS_PROJECTION_TIMELINE_H
#define ACTSCOPE_ANALYZERS_PROJECTION_TIMELINE_H

#include "analyzers/facts.h"

#include <stddef.h>
#include <stdint.h>

/* Fills in levels[0, facts->timeline_count), one a sample, at `bits` bits (1 to PROJECTION_BITS_MAX), with codes for the ops
 * in functions, all of them if count is 0, as in projection_compute. A sample stands for the time up to the next one. Where
 * a segment reaches over several samples, the highest level within each of them is known, but not whether it fell into this
 * segment: the level is then an upper bound, never above the projected peak. 0, ERROR_USAGE, or ERROR_MEMORY. */
int projection_timeline(const struct facts *facts, unsigned bits, const char *const *functions, size_t count,
                        uint64_t *levels);

#endif
