/* The allocations and frees of a run side by side, in order, for the inference to look for a training loop in. Fed while the
 * trace is read, as long as nobody tells what is saved. Blocks below the recording's threshold (4 KiB where every block was
 * recorded) are left out: there are many, and they decide nothing. Kept in temporary files, like the saved history. */
#ifndef ACTSCOPE_ANALYZERS_INFER_SEQUENCE_H
#define ACTSCOPE_ANALYZERS_INFER_SEQUENCE_H

#include "analyzers/spill.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stdint.h>

#define INFER_NEVER UINT32_MAX            /* a place: the block's end was not seen */
#define INFER_BLOCKS_MAX (UINT32_MAX / 4) /* beyond it, or beyond 2^32 events, nothing is inferred */

struct infer_block {
  uint64_t address, bytes;    /* bytes asked for */
  uint32_t alloc_at, free_at; /* places in the sequence */
  uint32_t kind, run;         /* of infer_runs.h, + 1; 0: none */
};

struct infer_event { /* small, for there is one for every event of the trace */
  uint32_t number;   /* of the trace's event, as analyze.c numbers them */
  uint32_t tick;     /* its time, in the sequence's ticks */
  uint32_t block, stack;
};

struct infer_sequence {        /* zeroed: off */
  struct spill blocks, events; /* struct infer_block, by alloc_at; struct infer_event, by place */
  uint64_t threshold;          /* bytes */
  uint64_t tick_ns;            /* so that 2^32 of them reach to the end of the run */
  uint32_t stacks_limit;
  bool on;
};

/* Turns it on, if there is room for temporary files. */
void infer_sequence_init(struct infer_sequence *sequence, const struct trace_reader *reader);
/* Off, and all is forgotten. Zeroed is fine. */
void infer_sequence_fini(struct infer_sequence *sequence);

/* A block is allocated by this event of the trace; returns its number + 1, 0 if it does not count. Where room runs out the
 * sequence is off: the analysis goes on without. */
uint32_t infer_sequence_alloc(struct infer_sequence *sequence, const struct trace_event *event, uint64_t number);
/* The block of that number + 1 (0: nothing to do) ends by this event: freed, or overwritten by an allocation. */
void infer_sequence_free(struct infer_sequence *sequence, uint32_t block, const struct trace_event *event,
                         uint64_t number);

/* Bytes that live right after an event of the trace in blocks that live for at least half of the run, which ends at end_ns. */
uint64_t infer_sequence_lasting(const struct infer_sequence *sequence, uint64_t number, uint64_t end_ns);

static inline struct infer_block *infer_block_at(const struct infer_sequence *sequence, uint32_t block) {
  return (struct infer_block *)spill_at(&sequence->blocks, block);
}

static inline const struct infer_event *infer_event_at(const struct infer_sequence *sequence, uint32_t place) {
  return (const struct infer_event *)spill_at(&sequence->events, place);
}

static inline struct infer_block *infer_block_of(const struct infer_sequence *sequence, uint32_t place) {
  return infer_block_at(sequence, infer_event_at(sequence, place)->block);
}

static inline uint64_t infer_time_ns(const struct infer_sequence *sequence, uint32_t place) {
  return infer_event_at(sequence, place)->tick * sequence->tick_ns;
}

static inline uint32_t infer_places(const struct infer_sequence *sequence) {
  return (uint32_t)sequence->events.count;
}

static inline uint32_t infer_alloc_stack(const struct infer_sequence *sequence, const struct infer_block *block) {
  return infer_event_at(sequence, block->alloc_at)->stack;
}

/* Of a block whose end was seen. */
static inline uint32_t infer_free_stack(const struct infer_sequence *sequence, const struct infer_block *block) {
  return infer_event_at(sequence, block->free_at)->stack;
}

#endif
