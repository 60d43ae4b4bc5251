/* The blocks of a run that last: that outlive the phase of a step in which they were allocated, or the program, or that were
 * saved for backward. What is left is born and dead within one phase: temporary. From a second reading of the trace, when the
 * steps are known. */
#ifndef ACTSCOPE_ANALYZERS_LASTING_H
#define ACTSCOPE_ANALYZERS_LASTING_H

#include "analyzers/facts.h"
#include "analyzers/regions.h"
#include "analyzers/saved_history.h"
#include "analyzers/spill.h"
#include "analyzers/stack_traits.h"
#include "analyzers/steps.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LASTING_NEVER UINT64_MAX

struct lasting_block {
  uint64_t bytes;
  uint64_t alloc_event, free_event; /* free NEVER: it lived to the end */
  uint32_t stack;                   /* of the allocation */
  bool in_teardown;                 /* freed when the program had ended: it lived as long as it */
  uint32_t first_row, rows_count;   /* of the saved history, by lasting_row: its own and those of regions within it */
  enum category category;           /* while no op holds it; once judged (category_rules.h) */
};

/* A tensor of a parameter's size that a backward pass made and that was gone when the pass had ended: a gradient that was added
 * to one that was there, or that of an activation of that size. */
struct lasting_added {
  uint64_t bytes, alloc_event, free_event;
  uint32_t stack;
};

struct lasting {
  struct spill blocks; /* struct lasting_block, by alloc_event */
  struct spill added;  /* struct lasting_added, by alloc_event */
  struct spill rows;   /* private: the history's rows by the heap block that they are of */
};

/* Rewinds the reader; regions are those that the rows refer to. 0, or ERROR_MEMORY with *lasting ready for lasting_fini. */
int lasting_find(struct lasting *lasting, struct trace_reader *reader, struct stack_traits *traits,
                 const struct steps *steps, const struct saved_history *history, const struct regions *regions);
void lasting_fini(struct lasting *lasting); /* zeroed is fine */

static inline struct lasting_block *lasting_at(const struct lasting *lasting, size_t index) {
  return (struct lasting_block *)spill_at(&lasting->blocks, index);
}

static inline struct lasting_added *lasting_added_at(const struct lasting *lasting, size_t index) {
  return (struct lasting_added *)spill_at(&lasting->added, index);
}

/* The number in the history of a block's row, index < rows_count; in the order of their making. */
uint32_t lasting_row(const struct lasting *lasting, const struct lasting_block *block, uint32_t index);

#endif
