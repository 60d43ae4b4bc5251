/* Every block of a trace with the whole of its life, in a second reading: what can only be judged with hindsight
 * (categories, advice) is decided from these. Memory grows with the blocks that are live at a time. */
#ifndef ACTSCOPE_ANALYZERS_LIFETIMES_H
#define ACTSCOPE_ANALYZERS_LIFETIMES_H

#include "common/error.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stdint.h>

#define LIFETIME_NEVER UINT64_MAX

struct lifetime {
  uint64_t address, bytes;          /* bytes asked for */
  uint64_t alloc_event, free_event; /* ordinals, 1 the first event of the trace; NEVER: it lived to the end */
  uint64_t alloc_ns, free_ns;
  uint32_t alloc_stack, free_stack; /* 0: none */
  uint32_t alloc_tid, free_tid;
  bool freed_in_release; /* within SavedVariable::reset_data() */
};

struct lifetimes_visitor { /* each may be NULL; what one returns, unless it is 0, stops the reading */
  void *context;
  /* `lifetime` is good for the call. A block begins: its end is not known, NEVER. */
  int (*begins)(void *context, const struct lifetime *lifetime);
  int (*ends)(void *context, const struct lifetime *lifetime); /* those that never do last of all */
  /* The event is over; live bytes of the whole heap, small blocks included, as the timeline counts them. */
  int (*settled)(void *context, uint64_t event, int64_t live);
};

/* Rewinds the reader and goes through the whole trace. 0, what a visitor returned, or ERROR_MEMORY. Damage ends the reading:
 * what the first reading made of it has been said already. */
int lifetimes_each(struct trace_reader *reader, const struct lifetimes_visitor *visitor);

#endif
