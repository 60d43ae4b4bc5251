/* Who holds which block for backward: matches saves with releases while the trace is read, and writes the rows of the
 * saved history. */
#ifndef ACTSCOPE_ANALYZERS_HOLDERS_H
#define ACTSCOPE_ANALYZERS_HOLDERS_H

#include "analyzers/blocks.h"
#include "analyzers/map64.h"
#include "analyzers/op_name.h"
#include "analyzers/regions.h"
#include "analyzers/saved_history.h"
#include "analyzers/threads.h"
#include "analyzers/timeline.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stdint.h>

struct holders {
  const struct trace_reader *reader; /* these five are borrowed */
  struct op_names *names;
  struct timeline *timeline;
  struct blocks *blocks;
  struct regions *regions;
  struct saved_history *history;
  struct map64 tensors;      /* tensor handle -> its youngest live holder + 1 */
  struct map64 node_classes; /* innermost return address of a save -> class of the node, learned from releases */
  uint32_t *active;          /* rows that the step under way, or a later one, may count */
  size_t active_count, active_capacity;
  uint32_t window;                 /* backward passes that have ended */
  uint32_t window_live;            /* live holders saved since the last of them ended */
  bool in_backward;                /* kept by steps.c, like window */
  bool parameters_named;           /* modules tell which tensors are parameters */
  uint64_t sources[SAVED_SOURCES]; /* saves by enum saved_source */
  uint64_t stray_marks;            /* regions and saves (of min_size or more) marked where no recorded block is */
  uint64_t oversized_marks;        /* saves marked with more elements than lie behind their address: cut off there */
  uint64_t refilled; /* the last save filled a region anew that this event's save had filled before, in the same window;
                            0: it did not */
};

int holders_init(struct holders *holders); /* the borrowed fields are set, the rest zero; 0, or ERROR_MEMORY */
void holders_fini(struct holders *holders);

/* Each: 0, or ERROR_MEMORY. */
int holders_save(struct holders *holders, const struct trace_event *event, struct thread_state *thread);
int holders_release(struct holders *holders, const struct trace_event *event, const struct thread_state *thread);
/* A mark without a name is a leaf's: not yet a parameter's. */
int holders_resident(struct holders *holders, const struct trace_event *event);

/* The block, whose row is not 0, ends: freed by `event`, or overwritten by an allocation. */
int holders_block_end(struct holders *holders, const struct block *block, const struct trace_event *event,
                      const struct thread_state *thread);

/* A region is marked, or marked as ended. Each: 0, or ERROR_MEMORY. */
int holders_region(struct holders *holders, const struct trace_event *event);
int holders_region_end(struct holders *holders, const struct trace_event *event);
/* The block ends, and with it the regions that it has. */
int holders_arena_end(struct holders *holders, const struct block *block, const struct trace_event *event);

/* An event of a thread that has watches: finds the forward ops that have returned by now. */
int holders_watch(struct holders *holders, const struct trace_event *event, struct thread_state *thread);

/* The outermost backward pass of a thread begins: no forward op of it is under way. */
int holders_watch_all_returned(struct holders *holders, struct thread_state *thread);

/* The class of node that this holder was saved by, from its release or from another save at the same place; or "". */
const char *holders_node_class(const struct holders *holders, const struct saved_holder *holder);

/* Private to holders*.c: the row's holders end with nothing released; 0, or ERROR_MEMORY. */
int holders_end_all(struct holders *holders, uint32_t row, uint64_t time_ns);

/* Takes a block that turned out to be a parameter out of what counts as saved. */
void holders_make_resident(struct holders *holders, struct saved_row *row);

struct saved_maximum {
  uint64_t bytes, blocks, event;
  uint32_t *rows; /* held then; the caller frees it */
};

struct saved_span {      /* of a step: events */
  uint64_t from, to;     /* of its saves, both included */
  uint64_t previous_end; /* the end of the backward pass before it, 0: none */
  bool followed;         /* the next step's backward begins now */
};

/* Counts a step's saved activations: its rows are those first saved in the span; *maximum is the moment in it of
 * most bytes of distinct blocks with a live holder, rows of earlier steps included. Decides about leaves first: a
 * tensor that collects a gradient is a parameter, unless modules name their parameters and it does not outlast a
 * step, like a batch or a checkpoint's input that requires a gradient. 0, or ERROR_MEMORY. */
int holders_sweep(struct holders *holders, int32_t step, const struct saved_span *span, struct saved_maximum *maximum);

/* After the last event: leaves that no step decided about are parameters, unless modules name theirs. */
void holders_finish(struct holders *holders);
/* Forgets the rows that no event from this one on can count. */
void holders_retire(struct holders *holders, uint64_t next_step_event);

#endif
