/* Live heap bytes of several processes of one machine at once: the highest sum, and what each had then.
 *
 * Peaks of processes need not come together, so their sum may never have been needed. Traces are read side by side and
 * merged by the wall clock, event by event, which is exact; a store has the highest level within each of at most 4096
 * intervals, from which the sum can only be bounded from above. */
#ifndef ACTSCOPE_ANALYZERS_LEVELS_H
#define ACTSCOPE_ANALYZERS_LEVELS_H

#include "analyzers/facts.h"
#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct levels_run {
  const char *trace; /* read again; NULL: by its samples */
  const struct facts_sample *samples;
  size_t samples_count;
  uint64_t start_unix_ns, wall_ns; /* at its end its bytes are gone */
  uint64_t at_peak;                /* found: its bytes at the moment of the highest sum */
};

struct levels_sum {
  uint64_t peak_bytes, time_unix_ns;
  bool exact; /* false: the peak was this or less */
};

/* progress: as of analyze_options, may be NULL. 0, or a negative code. */
int levels_sum(struct levels_run *runs, size_t count, struct levels_sum *sum,
               void (*progress)(void *context, double share), void *context, struct error *err);

#endif
