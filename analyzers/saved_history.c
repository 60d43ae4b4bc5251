/* Storage of saved rows, and their view as facts. */
#include "analyzers/saved_history.h"

#include "analyzers/dtype.h"
#include "common/error.h"
#include "trace/trace_format.h"

#include <stdlib.h>
#include <string.h>

int saved_history_init(struct saved_history *history) {
  *history = (struct saved_history){0};
  if (spill_open(&history->rows, sizeof(struct saved_row)) != 0 ||
      spill_open(&history->holders, sizeof(struct saved_holder)) != 0) {
    return ERROR_MEMORY;
  }
  return 0;
}

void saved_history_close(struct saved_history *history) {
  if (history) {
    spill_fini(&history->rows);
    spill_fini(&history->holders);
    free(history->stacks);
    free(history);
  }
}

bool saved_row_counts(const struct saved_row *row) {
  return row->step >= 0 && !row->resident;
}

/* Holders are in order of saving, so a stretch ends where the next holder comes after all releases so far. */
int saved_row_each_stretch(const struct saved_history *history, const struct saved_row *row,
                           int (*visit)(void *context, uint64_t from, uint64_t to), void *context) {
  uint64_t from = 0, until = 0;
  int rc = 0;
  for (uint32_t at = row->first_holder; at != SAVED_NONE && rc == 0;) {
    const struct saved_holder *holder = saved_holder_at(history, at);
    if (holder->save_event >= until) {
      rc = until ? visit(context, from, until) : 0;
      from = holder->save_event;
      until = holder->release_event;
    } else if (holder->release_event > until) {
      until = holder->release_event;
    }
    at = holder->next;
  }
  return rc == 0 && until ? visit(context, from, until) : rc;
}

bool saved_row_held_at(const struct saved_history *history, const struct saved_row *row, uint64_t event) {
  for (uint32_t at = row->first_holder; at != SAVED_NONE;) {
    const struct saved_holder *holder = saved_holder_at(history, at);
    if (holder->save_event <= event && event < holder->release_event) {
      return true;
    }
    at = holder->next;
  }
  return false;
}

const char *saved_evidence_name(unsigned source) {
  static const char *const names[SAVED_SOURCES] = {
      [TRACE_SOURCE_PROBE] = "probe", [TRACE_SOURCE_HOOKS] = "hooks",      [TRACE_SOURCE_MARK] = "mark",
      [SAVED_BY_ORDER] = "inferred",  [SAVED_BY_ORDER_ALONE] = "inferred",
  };
  return source < SAVED_SOURCES && names[source] ? names[source] : "none";
}

unsigned saved_source_number(const char *evidence) {
  for (unsigned source = 1; source < SAVED_SOURCES; source++) {
    if (strcmp(saved_evidence_name(source), evidence) == 0) {
      return source;
    }
  }
  return 0;
}

static int copy_holders(const struct saved_history *history, const struct saved_row *row,
                        struct facts_saved_block *block) {
  block->holders = calloc(row->holders ? row->holders : 1, sizeof *block->holders);
  if (!block->holders) {
    return ERROR_MEMORY;
  }
  for (uint32_t at = row->first_holder; at != SAVED_NONE;) {
    const struct saved_holder *holder = saved_holder_at(history, at);
    block->holders[block->holders_count++] = (struct facts_holder){holder->op, holder->save_ns, holder->release_ns};
    at = holder->next;
  }
  return 0;
}

int saved_history_block(const struct saved_history *history, uint32_t index, struct facts_saved_block *block) {
  const struct saved_row *row = saved_row_at(history, index);
  const struct saved_holder *first = saved_holder_at(history, row->first_holder);
  const struct saved_stack_name *names = &history->stacks[row->stack];
  *block = (struct facts_saved_block){
      .bytes = row->bytes,
      .elements = row->elements,
      .alloc_ns = row->alloc_ns,
      .free_ns = row->free_ns,
      .dtype = dtype_name(first->dtype),
      .op_allocated = names->op,
      .op = first->op,
      .layer = first->layer,
      .name = row->name,
      .in_arena = row->region != 0,
      .site = names->site,
      .evidence = saved_evidence_name(first->source),
      .reason = row->reason,
      .eligible = row->eligible,
      .stack = row->stack,
  };
  return copy_holders(history, row, block);
}
