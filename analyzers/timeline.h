/* Live heap bytes over time: the peak and which stacks made it, samples for a plot, and the highest level within
 * each segment between cuts.
 *
 * Peak composition is exact without a second pass or a snapshot at every new maximum: a stack notes its bytes when
 * it is first changed after the latest maximum, so whatever has not been changed since still shows the peak. */
#ifndef ACTSCOPE_ANALYZERS_TIMELINE_H
#define ACTSCOPE_ANALYZERS_TIMELINE_H

#include "analyzers/facts.h"
#include "analyzers/spill.h"

#include <stdint.h>

#define TIMELINE_SAMPLES 4096

struct stack_load { /* of one allocation stack */
  int64_t bytes, blocks;
  int64_t peak_bytes, peak_blocks; /* as of the maximum `peak_event`; see timeline_finish */
  uint64_t peak_event;
  struct facts_traffic traffic; /* but for what is left at the end: that is bytes and blocks then */
  uint64_t alloc_ns;            /* of the last allocation */
};

struct timeline {
  uint64_t event, time_ns; /* now; ordinals begin at 1 */
  int64_t live, small;     /* bytes: everything, and small blocks alone */
  int64_t saved;           /* of distinct blocks with a live holder that are not resident */
  int64_t peak, peak_small;
  uint64_t peak_event, peak_ns;
  struct stack_load *stacks; /* by stack id */
  uint32_t stacks_limit;
  struct facts_sample *samples; /* one a bucket of bucket_ns, from time 0; of its categories only small is known here */
  uint64_t *sample_events;      /* each shows what lived right after this event */
  size_t samples_count;
  uint64_t bucket_ns, bucket_end_ns;
  struct spill segments; /* struct facts_segment */
};

int timeline_init(struct timeline *timeline, uint32_t stacks_limit, uint64_t end_ns); /* 0, or ERROR_MEMORY */
void timeline_fini(struct timeline *timeline);                                        /* zeroed is fine */

/* For each event: begin, then any of the changes, then settle. */
void timeline_begin(struct timeline *timeline, uint64_t event, uint64_t time_ns);
void timeline_settle(struct timeline *timeline);

void timeline_alloc(struct timeline *timeline, uint32_t stack, uint64_t bytes);
void timeline_free(struct timeline *timeline, uint32_t stack, uint64_t bytes);
/* The block that is freed now was temporary. */
void timeline_temporary(struct timeline *timeline, uint32_t stack);

void timeline_small(struct timeline *timeline, uint64_t allocated, uint64_t freed);

/* level + change, the change modulo 2^64: sizes in a damaged trace may be absurd, and signed overflow is not
 * defined. */
static inline int64_t timeline_sum(int64_t level, uint64_t change) {
  return (int64_t)((uint64_t)level + change);
}

/* A segment begins with this event. 0, or ERROR_MEMORY. */
int timeline_cut(struct timeline *timeline);

/* A segment begins with an event that is past, the highest level in whose segment was `before` until it. The level from it on
 * is known where it exceeds that, else it is taken for as high: what lies below the peak does not matter. 0, or
 * ERROR_MEMORY. */
int timeline_split(struct timeline *timeline, uint64_t event, uint64_t time_ns, int64_t before);

/* The highest level of the segment under way in the events before this one; INT64_MIN if it begins with it. */
static inline int64_t timeline_level_before(const struct timeline *timeline) {
  const struct facts_segment *segment = spill_at(&timeline->segments, timeline->segments.count - 1);
  return segment->peak_bytes;
}

/* Takes bytes back from the saved_bytes of the samples in [from, to): a block turned out to be a parameter. */
void timeline_unsave(struct timeline *timeline, uint64_t bytes, uint64_t from_ns, uint64_t to_ns);

/* The highest level in the events [from, to), both of which are cuts (or the trace's ends). */
int64_t timeline_highest(const struct timeline *timeline, uint64_t from_event, uint64_t to_event);

/* After the last event: every stack's peak_bytes are those at the peak, and samples reach to the end. */
void timeline_finish(struct timeline *timeline);

#endif
