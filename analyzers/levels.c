/* Steps of each run's live bytes, merged by time: see the header. */
#include "analyzers/levels.h"

#include "analyzers/map64.h"
#include "analyzers/timeline.h"
#include "trace/trace_reader.h"

#include <stdlib.h>

enum { STEPS_PER_PROGRESS = 1 << 16 };

struct source { /* a run as steps: from time_ns on it has `next` bytes */
  struct levels_run *run;
  struct trace_reader *reader; /* NULL: samples */
  struct map64 blocks;         /* address -> bytes */
  int64_t live;                /* may be negative: a child of fork frees small blocks of its parent's */
  size_t sample;               /* the next one */
  bool ended;
  uint64_t time_unix_ns, next; /* the step to come */
  uint64_t level;              /* before it */
  uint64_t noted_at;           /* run->at_peak is as of that peak */
};

struct merge {
  struct source *sources;
  size_t count;
  struct source **heap; /* by time, the earliest first; of the same time in any order */
  size_t heap_count;
  uint64_t sum, peaks; /* peaks: how many maxima there were so far */
  struct levels_sum *result;
};

/* ---- one run ------------------------------------------------------------------------------------------------------ */

static int apply(struct source *source, const struct trace_event *event) {
  uint64_t *size;
  switch (event->kind) {
  case TRACE_ALLOC:
    if (!event->address) {
      return 0;
    }
    size = map64_put(&source->blocks, event->address);
    if (!size) {
      return ERROR_MEMORY;
    }
    source->live = timeline_sum(source->live, event->size - *size); /* *size: of one whose free was not seen */
    *size = event->size;
    return 0;
  case TRACE_FREE:
    size = event->address ? map64_find(&source->blocks, event->address) : NULL;
    if (size) {
      source->live = timeline_sum(source->live, -*size);
      map64_remove(&source->blocks, event->address);
    }
    return 0;
  case TRACE_SMALL:
    source->live = timeline_sum(source->live, event->small.alloc_bytes - event->small.free_bytes);
    return 0;
  default:
    return 0;
  }
}

static void step_to(struct source *source, uint64_t time_ns, uint64_t bytes) {
  source->time_unix_ns = source->run->start_unix_ns + time_ns;
  source->next = bytes;
}

/* The process is gone. */
static int end(struct source *source) {
  source->ended = true;
  step_to(source, source->run->wall_ns, 0);
  return 1;
}

/* The next change of the level; events that change nothing are passed over. */
static int advance_trace(struct source *source, struct error *err) {
  struct trace_event event;
  int more;
  while ((more = trace_reader_next(source->reader, &event, err)) > 0) {
    int code = apply(source, &event);
    if (code < 0) {
      return error_set(err, code, "out of memory for the live blocks of %s", source->run->trace);
    }
    uint64_t bytes = source->live > 0 ? (uint64_t)source->live : 0;
    if (bytes != source->level) {
      step_to(source, event.time_ns, bytes);
      return 1;
    }
  }
  return more < 0 ? more : end(source);
}

static uint64_t bytes_of_sample(const struct levels_run *run, size_t index) {
  return index < run->samples_count ? run->samples[index].live_bytes : 0;
}

/* A sample is the highest moment of its interval, and intervals touch: between two samples the level is at most that of
 * the higher one. */
static int advance_samples(struct source *source) {
  const struct levels_run *run = source->run;
  const size_t next = source->sample++;
  if (next > run->samples_count || !run->samples_count) {
    return end(source);
  }
  const uint64_t after = bytes_of_sample(run, next), before = next ? bytes_of_sample(run, next - 1) : 0;
  step_to(source, next ? run->samples[next - 1].time_ns : 0, before > after ? before : after);
  return 1;
}

/* 1: there is a step to come, 0: none. */
static int advance(struct source *source, struct error *err) {
  if (source->ended) {
    return 0;
  }
  return source->reader ? advance_trace(source, err) : advance_samples(source);
}

/* ---- all of them -------------------------------------------------------------------------------------------------- */

static void sift_down(struct merge *merge, size_t at) {
  for (;;) {
    size_t least = at;
    for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < merge->heap_count; child++) {
      least = merge->heap[child]->time_unix_ns < merge->heap[least]->time_unix_ns ? child : least;
    }
    if (least == at) {
      return;
    }
    struct source *lower = merge->heap[at];
    merge->heap[at] = merge->heap[least];
    merge->heap[least] = lower;
    at = least;
  }
}

/* Each run's bytes at the latest peak are noted when they first change behind it. */
static void note(const struct merge *merge, struct source *source) {
  if (source->noted_at != merge->peaks) {
    source->run->at_peak = source->level;
    source->noted_at = merge->peaks;
  }
}

static void take_step(struct merge *merge, struct source *source) {
  note(merge, source);
  merge->sum = merge->sum - source->level + source->next;
  source->level = source->next;
  if (merge->sum > merge->result->peak_bytes) {
    merge->result->peak_bytes = merge->sum;
    merge->result->time_unix_ns = source->time_unix_ns;
    merge->peaks++;
  }
}

static double progress_of(const struct merge *merge) {
  double share = 0;
  for (size_t i = 0; i < merge->count; i++) {
    const struct source *source = &merge->sources[i];
    share += source->reader && !source->ended ? trace_reader_progress(source->reader) : 1;
  }
  return share / (double)merge->count;
}

static int open_source(struct merge *merge, struct source *source, struct error *err) {
  if (source->run->trace) {
    int code = trace_reader_open(&source->reader, source->run->trace, err);
    if (code < 0) {
      return code;
    }
  } else {
    merge->result->exact = false;
  }
  int more = advance(source, err);
  if (more > 0) {
    merge->heap[merge->heap_count++] = source;
  }
  return more < 0 ? more : 0;
}

static int merge_all(struct merge *merge, void (*progress)(void *context, double share), void *context,
                     struct error *err) {
  for (size_t i = merge->heap_count; i-- > 0;) {
    sift_down(merge, i);
  }
  for (uint64_t steps = 1; merge->heap_count; steps++) {
    struct source *source = merge->heap[0];
    take_step(merge, source);
    int more = advance(source, err);
    if (more < 0) {
      return more;
    }
    if (more == 0) {
      merge->heap[0] = merge->heap[--merge->heap_count];
    }
    sift_down(merge, 0);
    if (progress && steps % STEPS_PER_PROGRESS == 0) {
      progress(context, progress_of(merge));
    }
  }
  return 0;
}

static void fini(struct merge *merge) {
  for (size_t i = 0; i < merge->count; i++) {
    note(merge, &merge->sources[i]);
    trace_reader_close(merge->sources[i].reader);
    map64_fini(&merge->sources[i].blocks);
  }
  free(merge->sources);
  free(merge->heap);
}

int levels_sum(struct levels_run *runs, size_t count, struct levels_sum *sum,
               void (*progress)(void *context, double share), void *context, struct error *err) {
  struct merge merge = {.count = count, .result = sum};
  *sum = (struct levels_sum){.exact = true};
  merge.sources = calloc(count + 1, sizeof *merge.sources);
  merge.heap = calloc(count + 1, sizeof(struct source *));
  if (!merge.sources || !merge.heap) {
    free(merge.sources);
    free(merge.heap);
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  int code = 0;
  for (size_t i = 0; i < count; i++) {
    merge.sources[i].run = &runs[i];
    runs[i].at_peak = 0;
  }
  for (size_t i = 0; code == 0 && i < count; i++) {
    code = open_source(&merge, &merge.sources[i], err);
  }
  code = code == 0 ? merge_all(&merge, progress, context, err) : code;
  fini(&merge);
  return code;
}
