/* One reading of the trace: blocks above the threshold get an entry, all others only count for the level. */
#include "analyzers/infer_sequence.h"

#include "analyzers/blocks.h"
#include "analyzers/timeline.h"
#include "common/error.h"

#include <stdlib.h>

enum { DEFAULT_THRESHOLD = 4096, GAPS_MAX = 1 << 16 };

struct reading {
  struct infer_sequence *sequence;
  struct blocks live; /* block->row is the entry + 1, 0: below the threshold */
  uint64_t threshold, event;
  int64_t level;
};

static struct infer_event *push_event(struct reading *reading, uint32_t block, bool is_free) {
  struct infer_event *event = spill_push(&reading->sequence->events);
  if (event) {
    *event = (struct infer_event){block, is_free, INT64_MIN};
    reading->sequence->count++;
  }
  return event;
}

static int block_ends(struct reading *reading, struct block *live, const struct trace_event *event) {
  struct infer_sequence *sequence = reading->sequence;
  reading->level = timeline_sum(reading->level, -live->size);
  if (live->row) {
    struct infer_block *block = infer_block_at(sequence, live->row - 1);
    block->free_event = reading->event;
    block->free_ns = event->time_ns;
    block->free_stack = event->kind == TRACE_FREE && event->stack < sequence->stacks_limit ? event->stack : 0;
    block->free_at = sequence->count;
    if (!push_event(reading, live->row - 1, true)) {
      return ERROR_MEMORY;
    }
  }
  blocks_remove(&reading->live, live);
  return 0;
}

static int block_begins(struct reading *reading, struct block *live, const struct trace_event *event) {
  struct infer_sequence *sequence = reading->sequence;
  reading->level = timeline_sum(reading->level, event->size);
  live->row = 0;
  if (event->size < reading->threshold) {
    return 0;
  }
  struct infer_block *block = sequence->blocks.count < INFER_BLOCKS_MAX ? spill_push(&sequence->blocks) : NULL;
  if (!block) {
    return ERROR_MEMORY;
  }
  *block = (struct infer_block){.bytes = event->size,
                                .alloc_event = reading->event,
                                .free_event = UINT64_MAX,
                                .alloc_ns = event->time_ns,
                                .free_ns = UINT64_MAX,
                                .alloc_stack = event->stack < sequence->stacks_limit ? event->stack : 0,
                                .alloc_at = sequence->count,
                                .free_at = INFER_NEVER};
  live->row = (uint32_t)sequence->blocks.count;
  return push_event(reading, live->row - 1, false) ? 0 : ERROR_MEMORY;
}

static int on_alloc(struct reading *reading, const struct trace_event *event) {
  if (!event->address) {
    return 0;
  }
  struct block *live = blocks_find(&reading->live, event->address);
  int rc = live ? block_ends(reading, live, event) : 0; /* its free was not seen */
  live = rc == 0 ? blocks_add(&reading->live, event->address, event->size) : NULL;
  return live ? block_begins(reading, live, event) : ERROR_MEMORY;
}

static int on_event(struct reading *reading, const struct trace_event *event) {
  struct infer_sequence *sequence = reading->sequence;
  struct block *live;
  int rc = 0;
  reading->event++;
  switch (event->kind) {
  case TRACE_ALLOC:
    rc = on_alloc(reading, event);
    break;
  case TRACE_FREE:
    live = blocks_find(&reading->live, event->address);
    rc = live ? block_ends(reading, live, event) : 0;
    break;
  case TRACE_SMALL:
    reading->level = timeline_sum(reading->level, event->small.alloc_bytes - event->small.free_bytes);
    break;
  default:
    break;
  }
  if (rc == 0 && sequence->count) {
    struct infer_event *last = infer_event_at(sequence, sequence->count - 1);
    last->highest = reading->level > last->highest ? reading->level : last->highest;
  }
  sequence->peak = reading->level > sequence->peak ? reading->level : sequence->peak;
  return rc;
}

static int compare_u64(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* Every program has bursts of events; the fastest twentieth of the gaps is taken for the price of recording alone. */
static int measure_overhead(struct infer_sequence *sequence) {
  uint32_t stride = sequence->count / GAPS_MAX + 1, count = 0;
  uint64_t *gaps = malloc((size_t)GAPS_MAX * sizeof *gaps);
  if (!gaps) {
    return ERROR_MEMORY;
  }
  for (uint32_t at = 1; at < sequence->count && count < GAPS_MAX; at += stride) {
    gaps[count++] = infer_time_at(sequence, at) - infer_time_at(sequence, at - 1);
  }
  if (count) {
    qsort(gaps, count, sizeof *gaps, compare_u64);
    sequence->overhead_ns = gaps[count / 20];
  }
  free(gaps);
  return 0;
}

int infer_sequence_read(struct infer_sequence *sequence, struct trace_reader *reader) {
  uint64_t threshold = trace_reader_info(reader)->min_size;
  struct reading reading = {.sequence = sequence, .threshold = threshold > 1 ? threshold : DEFAULT_THRESHOLD};
  struct error damage = {0};
  struct trace_event event;
  *sequence = (struct infer_sequence){.stacks_limit = trace_reader_stack_limit(reader)};
  int rc = spill_open(&sequence->blocks, sizeof(struct infer_block));
  rc = rc == 0 ? spill_open(&sequence->events, sizeof(struct infer_event)) : rc;
  trace_reader_rewind(reader);
  while (rc == 0 && trace_reader_next(reader, &event, &damage) > 0) {
    rc = on_event(&reading, &event);
  }
  sequence->last_event = reading.event;
  blocks_fini(&reading.live);
  return rc == 0 ? measure_overhead(sequence) : rc;
}

void infer_sequence_fini(struct infer_sequence *sequence) {
  spill_fini(&sequence->blocks);
  spill_fini(&sequence->events);
  *sequence = (struct infer_sequence){0};
}

uint32_t infer_stack_at(const struct infer_sequence *sequence, uint32_t place) {
  const struct infer_event *event = infer_event_at(sequence, place);
  const struct infer_block *block = infer_block_at(sequence, event->block);
  return event->free ? block->free_stack : block->alloc_stack;
}

uint64_t infer_time_at(const struct infer_sequence *sequence, uint32_t place) {
  const struct infer_event *event = infer_event_at(sequence, place);
  const struct infer_block *block = infer_block_at(sequence, event->block);
  return event->free ? block->free_ns : block->alloc_ns;
}

int64_t infer_highest(const struct infer_sequence *sequence, uint32_t from, uint32_t to) {
  int64_t highest = 0;
  for (uint32_t at = from; at < to && at < sequence->count; at++) {
    int64_t level = infer_event_at(sequence, at)->highest;
    highest = level > highest ? level : highest;
  }
  return highest;
}
