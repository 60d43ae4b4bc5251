/* Views of the history. */
#include "analyzers/facts_saved.h"

#include "analyzers/facts_ops.h"
#include "analyzers/saved_history.h"
#include "common/error.h"

#include <stdlib.h>

static int each_listed(const struct facts *facts,
                       int (*visit)(void *context, int step, const struct facts_saved_block *block), void *context) {
  int rc = 0;
  for (size_t i = 0; i < facts->saved_count && rc == 0; i++) {
    rc = visit(context, facts->saved_step, &facts->saved[i]);
  }
  return rc;
}

int facts_each_saved(const struct facts *facts,
                     int (*visit)(void *context, int step, const struct facts_saved_block *block), void *context) {
  const struct saved_history *history = facts->history;
  int rc = 0;
  if (!history) {
    return each_listed(facts, visit, context);
  }
  for (uint32_t i = 0; i < history->rows.count && rc == 0; i++) {
    const struct saved_row *row = saved_row_at(history, i);
    struct facts_saved_block block;
    if (!saved_row_counts(row)) {
      continue;
    }
    if (saved_history_block(history, i, &block) != 0) {
      return ERROR_MEMORY;
    }
    rc = visit(context, row->step, &block);
    free(block.holders);
  }
  return rc;
}

static bool is_of_step(const struct saved_row *row, unsigned step) {
  return saved_row_counts(row) && row->step == (int32_t)step && row->at_saved_peak;
}

static size_t count_rows(const struct saved_history *history, unsigned step) {
  size_t count = 0;
  for (uint32_t i = 0; i < history->rows.count; i++) {
    count += is_of_step(saved_row_at(history, i), step);
  }
  return count;
}

/* Rows of equal bytes stay in their order, as where the representative step is listed. */
static int larger_row_first(const void *a, const void *b, void *context) {
  const struct saved_history *history = context;
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  uint64_t p = saved_row_at(history, x)->bytes, q = saved_row_at(history, y)->bytes;
  return p != q ? (p < q) - (p > q) : (x > y) - (x < y);
}

/* The rows of a step, largest first. NULL: no memory. */
static uint32_t *rows_of_step(struct saved_history *history, unsigned step, size_t *count) {
  uint32_t *rows = malloc((count_rows(history, step) + 1) * sizeof *rows);
  *count = 0;
  for (uint32_t i = 0; rows && i < history->rows.count; i++) {
    if (is_of_step(saved_row_at(history, i), step)) {
      rows[(*count)++] = i;
    }
  }
  if (rows) {
    qsort_r(rows, *count, sizeof *rows, larger_row_first, history);
  }
  return rows;
}

static void drop_saved(struct facts *facts) {
  for (size_t i = 0; i < facts->saved_count; i++) {
    free(facts->saved[i].holders);
  }
  free(facts->saved);
  facts->saved = NULL;
  facts->saved_count = 0;
}

int facts_take_step(struct facts *facts, unsigned step) {
  size_t count;
  uint32_t *rows = rows_of_step(facts->history, step, &count);
  int rc = 0;
  drop_saved(facts);
  facts->saved = calloc(count + 1, sizeof *facts->saved);
  rc = rows && facts->saved ? 0 : ERROR_MEMORY;
  for (size_t i = 0; i < count && rc == 0; i++) {
    rc = saved_history_block(facts->history, rows[i], &facts->saved[facts->saved_count]);
    facts->saved_count += rc == 0;
  }
  free(rows);
  facts->saved_step = (int)step;
  facts->saved_bytes = facts->steps[step].saved_bytes;
  facts->saved_blocks = facts->steps[step].saved_blocks;
  return rc == 0 ? facts_count_ops(facts) : rc;
}
