/* saved_block and holder into a history's rows, in one pass over each: both are sorted by block. */
#include "analyzers/store_history.h"

#include "analyzers/dtype.h"
#include "analyzers/eligibility.h"
#include "analyzers/saved_history.h"
#include "analyzers/store_row.h"
#include "trace/trace_format.h"

#include <stdlib.h>
#include <string.h>

enum { DTYPES_MAX = 64, STACKS_MAX = 1 << 26 }; /* no trace has as many stacks: a larger number is damage */

struct loader {
  struct facts *facts;
  struct saved_history *history;
  struct store_row blocks, holders;
  int64_t holder_block; /* of the row that `holders` stands on; INT64_MAX: no more */
};

static uint32_t dtype_number(const char *text) {
  const char *name = dtype_by_name(text);
  for (uint32_t i = 0; i < DTYPES_MAX; i++) {
    if (strcmp(dtype_name(i), name) == 0) {
      return i;
    }
  }
  return TRACE_DTYPE_UNKNOWN;
}

static void next_holder(struct loader *loader) {
  loader->holder_block = store_next_row(&loader->holders) > 0 ? store_get_i64(&loader->holders) : INT64_MAX;
}

/* Appends the holder that the statement stands on to the row. */
static int add_holder(struct loader *loader, uint32_t row_index, const struct saved_holder *like) {
  uint32_t index = (uint32_t)loader->history->holders.count;
  struct saved_row *row = saved_row_at(loader->history, row_index);
  struct saved_holder *holder = spill_push(&loader->history->holders);
  if (!holder) {
    return SQLITE_NOMEM;
  }
  *holder = *like;
  holder->op = store_get_interned(&loader->holders, loader->facts->strings);
  holder->save_ns = store_get_u64(&loader->holders);
  holder->release_ns = store_get_u64(&loader->holders);
  holder->next = SAVED_NONE;
  if (row->holders++) {
    saved_holder_at(loader->history, row->last_holder)->next = index;
  } else {
    row->first_holder = index;
  }
  row->last_holder = index;
  return loader->holders.failed;
}

static int add_holders(struct loader *loader, uint32_t row, int64_t block, const struct saved_holder *like) {
  int rc = 0;
  while (loader->holder_block < block) {
    next_holder(loader);
  }
  while (loader->holder_block == block && rc == 0) {
    rc = add_holder(loader, row, like);
    next_holder(loader);
  }
  rc = rc ? rc : loader->holders.failed;
  return rc || saved_row_at(loader->history, row)->holders ? rc : SQLITE_CORRUPT; /* saved, but by nobody */
}

static bool refers_to(const struct loader *loader, const struct saved_row *row) {
  return row->stack < loader->history->stacks_limit && row->step >= -1 &&
         row->step < (int64_t)loader->facts->steps_count;
}

static int read_block(struct loader *loader) {
  struct store_row *in = &loader->blocks;
  uint32_t index = (uint32_t)loader->history->rows.count;
  struct saved_row *row = spill_push(&loader->history->rows);
  struct saved_holder holder = {.row = index};
  struct saved_stack_name names;
  if (!row) {
    return SQLITE_NOMEM;
  }
  row->first_holder = row->last_holder = SAVED_NONE;
  int64_t block = store_get_i64(in);
  row->step = store_get_step(in);
  row->at_saved_peak = store_get_i64(in) != 0;
  row->listed = store_get_i64(in) != 0;
  row->bytes = store_get_u64(in);
  row->elements = store_get_u64(in);
  holder.dtype = dtype_number(store_get_text(in));
  row->alloc_ns = store_get_u64(in);
  row->free_ns = store_get_u64(in);
  names.op = store_get_interned(in, loader->facts->strings);
  holder.layer = store_get_interned(in, loader->facts->strings);
  row->name = store_get_interned(in, loader->facts->strings);
  row->region = store_get_i64(in) != 0;
  names.site = store_get_interned(in, loader->facts->strings);
  row->stack = (uint32_t)store_get_u64(in);
  holder.source = (uint8_t)saved_source_number(store_get_text(in));
  row->eligible = store_get_i64(in) != 0;
  row->reason = eligibility_reason(store_get_text(in));
  if (in->failed || !refers_to(loader, row)) {
    return in->failed ? in->failed : SQLITE_CORRUPT;
  }
  loader->history->stacks[row->stack] = names;
  return add_holders(loader, index, block, &holder);
}

static int open_history(struct loader *loader) {
  const struct facts *facts = loader->facts;
  struct saved_history *history = loader->facts->history = calloc(1, sizeof *history);
  loader->history = history;
  if (!history || saved_history_init(history) != 0) {
    return SQLITE_NOMEM;
  }
  history->stacks_limit = facts->stacks_count ? facts->stacks[facts->stacks_count - 1].stack + 1 : 1;
  if (history->stacks_limit > STACKS_MAX) {
    return SQLITE_CORRUPT;
  }
  history->stacks = calloc(history->stacks_limit, sizeof *history->stacks);
  return history->stacks ? 0 : SQLITE_NOMEM;
}

int store_read_saved_history(sqlite3 *db, struct facts *facts) {
  struct loader loader = {.facts = facts};
  int rc = open_history(&loader), more = 0;
  store_row_open(&loader.blocks, db,
                 "SELECT block, step, at_saved_peak, listed, bytes, elements, dtype, alloc_ns, free_ns, op_allocated,"
                 " layer, name, in_arena, site, stack, evidence, eligible, reason FROM saved_block ORDER BY block");
  store_row_open(&loader.holders, db, "SELECT block, op, save_ns, release_ns FROM holder ORDER BY block, position");
  rc = rc ? rc : loader.blocks.failed ? loader.blocks.failed : loader.holders.failed;
  if (rc == 0) {
    next_holder(&loader);
  }
  while (rc == 0 && (more = store_next_row(&loader.blocks)) > 0) {
    rc = read_block(&loader);
  }
  rc = rc == 0 && more < 0 ? loader.blocks.failed : rc;
  store_row_close(&loader.holders);
  store_row_close(&loader.blocks);
  return rc;
}
