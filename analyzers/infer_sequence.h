/* The allocations and frees of a run side by side, in order, for the inference to look for a loop in. Blocks below the
 * recording's threshold (4 KiB where every block was recorded) are left out: there are many, and they decide nothing.
 * Kept in temporary files, like the saved history. */
#ifndef ACTSCOPE_ANALYZERS_INFER_SEQUENCE_H
#define ACTSCOPE_ANALYZERS_INFER_SEQUENCE_H

#include "analyzers/spill.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stdint.h>

#define INFER_NEVER UINT32_MAX /* a place: the block's end was not seen */
#define INFER_BLOCKS_MAX (UINT32_MAX / 4)

struct infer_block {
  uint64_t bytes;                   /* asked for */
  uint64_t alloc_event, free_event; /* of the trace, as analyze.c numbers them; free UINT64_MAX: not seen */
  uint64_t alloc_ns, free_ns;
  uint32_t alloc_stack, free_stack;
  uint32_t alloc_at, free_at; /* places in the sequence */
};

struct infer_event {
  uint32_t block;
  bool free;
  int64_t highest; /* live bytes of the whole heap, at most, from this event up to the next of the sequence */
};

struct infer_sequence {
  struct spill blocks, events; /* struct infer_block, by alloc_at; struct infer_event */
  uint32_t count;              /* of events */
  uint32_t stacks_limit;
  uint64_t overhead_ns; /* between two events of which nobody does anything in between: what recording one costs */
  uint64_t last_event;  /* of the trace */
  int64_t peak;         /* the highest live bytes */
};

/* Rewinds the reader and reads it to its end, or up to damage. 0, or ERROR_MEMORY (no room for temporary files either),
 * with *sequence ready for infer_sequence_fini all the same. */
int infer_sequence_read(struct infer_sequence *sequence, struct trace_reader *reader);
void infer_sequence_fini(struct infer_sequence *sequence); /* zeroed is fine */

static inline struct infer_block *infer_block_at(const struct infer_sequence *sequence, uint32_t block) {
  return (struct infer_block *)spill_at(&sequence->blocks, block);
}

static inline struct infer_event *infer_event_at(const struct infer_sequence *sequence, uint32_t place) {
  return (struct infer_event *)spill_at(&sequence->events, place);
}

static inline struct infer_block *infer_block_of(const struct infer_sequence *sequence, uint32_t place) {
  return infer_block_at(sequence, infer_event_at(sequence, place)->block);
}

/* The stack and the time of the event at a place. */
uint32_t infer_stack_at(const struct infer_sequence *sequence, uint32_t place);
uint64_t infer_time_at(const struct infer_sequence *sequence, uint32_t place);

/* The highest live bytes at the places [from, to). */
int64_t infer_highest(const struct infer_sequence *sequence, uint32_t from, uint32_t to);

#endif
