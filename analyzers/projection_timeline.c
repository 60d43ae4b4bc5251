/* level of a sample = max over the segments that meet it of min(L, S) + D: L the highest live bytes within the sample's
 * time, S within the segment, D what codes change there. Where one lies within the other min(L, S) is the level itself. */
#include "analyzers/projection_timeline.h"

#include "analyzers/projection.h"
#include "analyzers/timeline.h"
#include "common/error.h"

#include <stdlib.h>

/* The times at which samples begin. A sample's own time is that of its highest level; it began with its bucket. */
struct buckets {
  const struct facts *facts;
  uint64_t width_ns, first; /* width 0: not known */
};

static uint64_t last_bucket(const struct buckets *buckets) {
  return buckets->first + buckets->facts->timeline_count - 1;
}

/* Facts do not say how wide the buckets are, but it follows from the run's length; samples that a selection left are a part
 * of them. If they do not fall into buckets of that width one by one, they are not the analysis's own. */
static struct buckets find_buckets(const struct facts *facts) {
  struct buckets buckets = {.facts = facts, .width_ns = facts->run.wall_ns / TIMELINE_SAMPLES + 1};
  buckets.first = facts->timeline_count ? facts->timeline[0].time_ns / buckets.width_ns : 0;
  for (size_t i = 0; i < facts->timeline_count; i++) {
    const uint64_t bucket = facts->timeline[i].time_ns / buckets.width_ns;
    if (bucket != buckets.first + i && bucket < TIMELINE_SAMPLES) { /* the last one takes in what came after the end */
      buckets.width_ns = 0;
      break;
    }
  }
  return buckets;
}

/* Sample i stands for [begin(i), begin(i + 1)). Without buckets the bounds lie half way between the samples. */
static uint64_t begin_of(const struct buckets *buckets, size_t sample) {
  const struct facts *facts = buckets->facts;
  if (sample == facts->timeline_count) {
    return !buckets->width_ns || last_bucket(buckets) + 1 >= TIMELINE_SAMPLES
               ? UINT64_MAX
               : (last_bucket(buckets) + 1) * buckets->width_ns;
  }
  if (buckets->width_ns) {
    return (buckets->first + sample) * buckets->width_ns;
  }
  if (sample == 0) {
    return facts->timeline[0].time_ns;
  }
  const uint64_t before = facts->timeline[sample - 1].time_ns, at = facts->timeline[sample].time_ns;
  return at > before ? before + (at - before + 1) / 2 : before;
}

static uint64_t segment_end(const struct facts *facts, size_t segment) {
  return segment + 1 < facts->segments_count ? facts->segments[segment + 1].time_ns : UINT64_MAX;
}

static int64_t level_within(const struct facts_sample *sample, const struct facts_segment *segment,
                            int64_t difference) {
  const int64_t live = sample->live_bytes < INT64_MAX ? (int64_t)sample->live_bytes : INT64_MAX;
  const int64_t level = live < segment->peak_bytes ? live : segment->peak_bytes;
  return (int64_t)((uint64_t)level + (uint64_t)difference); /* wraps rather than overflows: a store may hold anything */
}

/* Events of one nanosecond may lie before and after a cut, so that a segment reaches to its end's time, too. */
static void fill(const struct facts *facts, const int64_t *differences, uint64_t *levels) {
  const struct buckets buckets = find_buckets(facts);
  size_t first = 0;
  for (size_t i = 0; i < facts->timeline_count; i++) {
    const uint64_t begin = begin_of(&buckets, i), end = begin_of(&buckets, i + 1);
    int64_t highest = 0;
    while (first + 1 < facts->segments_count && segment_end(facts, first) < begin) {
      first++;
    }
    for (size_t s = first; s < facts->segments_count && facts->segments[s].time_ns < end; s++) {
      const int64_t level = level_within(&facts->timeline[i], &facts->segments[s], differences[s]);
      highest = level > highest ? level : highest;
    }
    levels[i] = (uint64_t)highest;
  }
}

int projection_timeline(const struct facts *facts, unsigned bits, const char *const *functions, size_t count,
                        uint64_t *levels) {
  int64_t *differences = calloc(facts->segments_count + 1, sizeof *differences);
  int rc = differences ? projection_differences(facts, bits, functions, count, differences) : ERROR_MEMORY;
  if (rc == 0) {
    fill(facts, differences, levels);
  }
  free(differences);
  return rc;
}
