/* Sums, maxima and their moments; see the header for how the peak's composition is kept. */
#include "analyzers/timeline.h"

#include "common/error.h"

#include <stdlib.h>

static int push_segment(struct timeline *timeline) {
  struct facts_segment *segment = spill_push(&timeline->segments);
  if (!segment) {
    return ERROR_MEMORY;
  }
  /* No level yet: that of the event itself is what settle finds; the one before belongs to the segment before. */
  *segment = (struct facts_segment){timeline->event, timeline->time_ns, INT64_MIN};
  return 0;
}

int timeline_init(struct timeline *timeline, uint32_t stacks_limit, uint64_t end_ns) {
  *timeline = (struct timeline){.stacks_limit = stacks_limit ? stacks_limit : 1};
  timeline->bucket_ns = end_ns / TIMELINE_SAMPLES + 1;
  timeline->bucket_end_ns = timeline->bucket_ns;
  timeline->stacks = calloc(timeline->stacks_limit, sizeof *timeline->stacks);
  timeline->samples = calloc(TIMELINE_SAMPLES, sizeof *timeline->samples);
  timeline->sample_events = calloc(TIMELINE_SAMPLES, sizeof *timeline->sample_events);
  timeline->samples_count = 1;
  if (!timeline->stacks || !timeline->samples || !timeline->sample_events ||
      spill_open(&timeline->segments, sizeof(struct facts_segment)) != 0 || push_segment(timeline) != 0) {
    timeline_fini(timeline);
    return ERROR_MEMORY;
  }
  timeline_settle(timeline);
  return 0;
}

void timeline_fini(struct timeline *timeline) {
  free(timeline->stacks);
  free(timeline->samples);
  free(timeline->sample_events);
  spill_fini(&timeline->segments);
  *timeline = (struct timeline){0};
}

static uint64_t at_least_0(int64_t bytes) {
  return bytes > 0 ? (uint64_t)bytes : 0;
}

/* The last sample shows what lives right after the event. */
static void sample_now(struct timeline *timeline, uint64_t event, uint64_t time_ns) {
  timeline->sample_events[timeline->samples_count - 1] = event;
  timeline->samples[timeline->samples_count - 1] =
      (struct facts_sample){.time_ns = time_ns,
                            .live_bytes = at_least_0(timeline->live),
                            .saved_bytes = at_least_0(timeline->saved),
                            .categories = {[CATEGORY_SMALL] = at_least_0(timeline->small)}};
}

/* A bucket begins at the level that the one before it ended with. */
static void next_buckets(struct timeline *timeline) {
  while (timeline->time_ns >= timeline->bucket_end_ns && timeline->samples_count < TIMELINE_SAMPLES) {
    timeline->samples_count++;
    sample_now(timeline, timeline->event - 1, timeline->bucket_end_ns);
    timeline->bucket_end_ns += timeline->bucket_ns;
  }
  if (timeline->samples_count == TIMELINE_SAMPLES) {
    timeline->bucket_end_ns = UINT64_MAX; /* events after the end that was announced count to the last bucket */
  }
}

void timeline_begin(struct timeline *timeline, uint64_t event, uint64_t time_ns) {
  timeline->event = event;
  timeline->time_ns = time_ns;
  if (time_ns >= timeline->bucket_end_ns) {
    next_buckets(timeline);
  }
}

void timeline_settle(struct timeline *timeline) {
  struct facts_segment *segment = spill_at(&timeline->segments, timeline->segments.count - 1);
  if (timeline->live > segment->peak_bytes) {
    segment->peak_bytes = timeline->live;
  }
  if (timeline->live > (int64_t)timeline->samples[timeline->samples_count - 1].live_bytes) {
    sample_now(timeline, timeline->event, timeline->time_ns);
  }
  if (timeline->live > timeline->peak) {
    timeline->peak = timeline->live;
    timeline->peak_small = timeline->small;
    timeline->peak_event = timeline->event;
    timeline->peak_ns = timeline->time_ns;
  }
}

void timeline_small(struct timeline *timeline, uint64_t allocated, uint64_t freed) {
  timeline->small = timeline_sum(timeline->small, allocated - freed);
  timeline->live = timeline_sum(timeline->live, allocated - freed);
}

static struct stack_load *load_of(struct timeline *timeline, uint32_t stack) {
  struct stack_load *load = &timeline->stacks[stack < timeline->stacks_limit ? stack : 0];
  if (load->peak_event != timeline->peak_event) {
    load->peak_bytes = load->bytes;
    load->peak_blocks = load->blocks;
    load->peak_event = timeline->peak_event;
  }
  return load;
}

void timeline_alloc(struct timeline *timeline, uint32_t stack, uint64_t bytes) {
  struct stack_load *load = load_of(timeline, stack);
  load->bytes = timeline_sum(load->bytes, bytes);
  load->blocks++;
  load->traffic.allocations++;
  load->traffic.bytes += bytes;
  load->alloc_ns = timeline->time_ns;
  timeline->live = timeline_sum(timeline->live, bytes);
}

void timeline_free(struct timeline *timeline, uint32_t stack, uint64_t bytes) {
  struct stack_load *load = load_of(timeline, stack);
  load->bytes = timeline_sum(load->bytes, -bytes);
  load->blocks--;
  timeline->live = timeline_sum(timeline->live, -bytes);
}

void timeline_temporary(struct timeline *timeline, uint32_t stack) {
  load_of(timeline, stack)->traffic.temporary++;
}

int timeline_cut(struct timeline *timeline) {
  const struct facts_segment *last = spill_at(&timeline->segments, timeline->segments.count - 1);
  return last->event == timeline->event ? 0 : push_segment(timeline);
}

void timeline_unsave(struct timeline *timeline, uint64_t bytes, uint64_t from_ns, uint64_t to_ns) {
  size_t first = from_ns / timeline->bucket_ns, last = timeline->samples_count - 1;
  for (size_t i = first < last ? first : last; i <= last; i++) {
    struct facts_sample *sample = &timeline->samples[i];
    if (sample->time_ns >= from_ns && sample->time_ns < to_ns) {
      sample->saved_bytes -= bytes < sample->saved_bytes ? bytes : sample->saved_bytes;
    }
  }
}

static size_t segment_from(const struct spill *segments, uint64_t event) {
  size_t low = 0, high = segments->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (((const struct facts_segment *)spill_at(segments, middle))->event < event) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

int64_t timeline_highest(const struct timeline *timeline, uint64_t from_event, uint64_t to_event) {
  int64_t highest = 0;
  for (size_t i = segment_from(&timeline->segments, from_event); i < timeline->segments.count; i++) {
    const struct facts_segment *segment = spill_at(&timeline->segments, i);
    if (segment->event >= to_event) {
      break;
    }
    highest = segment->peak_bytes > highest ? segment->peak_bytes : highest;
  }
  return highest;
}

int timeline_split(struct timeline *timeline, uint64_t event, uint64_t time_ns, int64_t before) {
  const struct spill *segments = &timeline->segments;
  const size_t at = segment_from(segments, event);
  if (at < segments->count && ((const struct facts_segment *)spill_at(segments, at))->event == event) {
    return 0;
  }
  if (!spill_push(&timeline->segments)) {
    return ERROR_MEMORY;
  }
  for (size_t i = segments->count - 1; i > at; i--) { /* few: arenas are carved soon after they are allocated */
    *(struct facts_segment *)spill_at(segments, i) = *(const struct facts_segment *)spill_at(segments, i - 1);
  }
  struct facts_segment *first = spill_at(segments, at - 1);
  *(struct facts_segment *)spill_at(segments, at) = (struct facts_segment){event, time_ns, first->peak_bytes};
  first->peak_bytes = before;
  return 0;
}

void timeline_finish(struct timeline *timeline) {
  for (uint32_t i = 0; i < timeline->stacks_limit; i++) {
    load_of(timeline, i);
  }
}
