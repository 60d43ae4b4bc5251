/* The saved activations of a whole run: a row for each block that a step's forward pass left for backward, with its
 * holders. Rows are written as the trace is read (holders.c), judged when it has ended (eligibility.c), and kept in
 * temporary files, so that a run of many steps does not fill memory. */
#ifndef ACTSCOPE_ANALYZERS_SAVED_HISTORY_H
#define ACTSCOPE_ANALYZERS_SAVED_HISTORY_H

#include "analyzers/facts.h"
#include "analyzers/spill.h"

#include <stdbool.h>
#include <stdint.h>

#define SAVED_NEVER UINT64_MAX /* an event or time that was not seen */
#define SAVED_NONE UINT32_MAX  /* no row, no holder */

enum saved_source { /* how a save is known: enum trace_source, and what was inferred from the order of allocations */
                    SAVED_BY_ORDER = 4,       /* which op needs the block is known from where it is let go of */
                    SAVED_BY_ORDER_ALONE = 5, /* it is not: the op is the one that allocated it */
                    SAVED_SOURCES,
};

struct saved_holder {
  uint64_t tensor;
  uint64_t save_event, save_ns;
  uint64_t release_event, release_ns; /* of the release or of the block's end, SAVED_NEVER: still held */
  uint64_t op_end_event;              /* its forward op has returned; SAVED_NEVER: not seen, or not looked for */
  uint64_t release_count;             /* events of the releasing thread until then */
  uint32_t release_tid;
  uint32_t row;
  uint32_t window;      /* backward passes that had ended */
  uint32_t next;        /* of the same row, in order of saving; SAVED_NONE: the last */
  uint32_t next_tensor; /* while live: an older one with the same tensor handle */
  uint32_t stack;
  uint32_t dtype;
  const char *raw_op;     /* dispatcher's name, or ""; interned by the symbols */
  const char *node_class; /* from the release, NULL: not known */
  char *op;               /* canonical, in the facts' strings; once judged */
  const char *layer;      /* whose forward pass saved it, or ""; the trace's, once judged the facts' */
  uint8_t source;         /* enum saved_source */
  bool released;          /* by a release, not by the end of its block */
  bool released_in_backward;
  bool watched; /* a candidate for few-bit codes or masks of bits: its op end and release cut the timeline */
};

struct saved_row {
  uint64_t bytes, elements;
  uint64_t alloc_event, alloc_ns, free_event, free_ns; /* free SAVED_NEVER: not seen */
  uint32_t stack;
  uint32_t first_holder, last_holder, holders, live_holders;
  uint32_t window;  /* backward passes that had ended when the row was made */
  int32_t step;     /* -1: none, e.g. an evaluation's forward pass */
  uint32_t region;  /* of an arena (regions.h), index + 1; 0: a heap block */
  const char *name; /* the program's name of a region, or ""; the trace's, once judged the facts' */
  bool dropped;  /* a region that was filled anew in the same forward pass, or before the backward pass: not a step's */
  bool resident; /* a parameter or buffer: not a saved activation */
  bool leaf;     /* collects a gradient: a parameter, if it lasts (see holders_sweep) */
  bool superseded; /* the same block has a later row */
  bool retired;    /* no step to come counts it */
  bool freed_in_backward, freed_with_release;
  bool at_saved_peak; /* held at the moment of its step's saved_bytes */
  bool listed;        /* one of facts.saved */
  bool eligible;      /* from here on: once judged */
  const char *reason; /* static */
};

struct saved_stack_name { /* of an allocation stack that rows name; in the facts' strings */
  char *op, *site;
};

struct saved_history {
  struct spill rows, holders;      /* struct saved_row, struct saved_holder */
  struct saved_stack_name *stacks; /* by stack id */
  uint32_t stacks_limit;
};

int saved_history_init(struct saved_history *history);   /* 0, or ERROR_MEMORY */
void saved_history_close(struct saved_history *history); /* frees it too; NULL allowed */

static inline struct saved_row *saved_row_at(const struct saved_history *history, uint32_t row) {
  return spill_at(&history->rows, row);
}

static inline struct saved_holder *saved_holder_at(const struct saved_history *history, uint32_t holder) {
  return spill_at(&history->holders, holder);
}

/* Is this row one of a step's saved activations (and not a parameter's, or an evaluation's)? */
bool saved_row_counts(const struct saved_row *row);
/* Calls visit for every stretch of events [from, to) in which the row had a live holder, in order; `to` is SAVED_NEVER where
 * that was not seen to end. Stops at what visit returns, unless it is 0. 0, or that. */
int saved_row_each_stretch(const struct saved_history *history, const struct saved_row *row,
                           int (*visit)(void *context, uint64_t from, uint64_t to), void *context);
/* Had the row a live holder right after this event? */
bool saved_row_held_at(const struct saved_history *history, const struct saved_row *row, uint64_t event);

const char *saved_evidence_name(unsigned source);   /* "probe", ...; static */
unsigned saved_source_number(const char *evidence); /* the source of this name; 0: there is none */

/* The row as facts have it, with block->holders in an array of its own (free it); strings are the facts'.
 * 0, or ERROR_MEMORY. */
int saved_history_block(const struct saved_history *history, uint32_t row, struct facts_saved_block *block);

#endif
