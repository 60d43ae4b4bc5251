/* What is held when each step ends of what earlier ones saved, from the saved blocks' history. Steps that are by themselves,
 * of whatever sizes, hold nothing then, and a pipeline the same in step after step: only what grows in every step is told. */
#include "analyzers/growth.h"

#include "analyzers/saved_history.h"

#include <stdlib.h>

enum { LEAST_STEPS = 3, LEAST_PERCENT = 10 };

/* The first step that ends after this time; a step ends where the next begins, by its first save for one. */
static size_t first_end(const struct facts *facts, uint64_t time_ns) {
  size_t low = 0, high = facts->steps_count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (facts->steps[middle].end_ns <= time_ns) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* The ends of steps at which the row is held, but for the step that saved it: what changes in `held` from one to the next. */
static void add_row(const struct facts *facts, const struct saved_row *row, int64_t *held) {
  const struct saved_history *history = facts->history;
  uint64_t release_ns = 0;
  for (uint32_t at = row->first_holder; at != SAVED_NONE;) {
    const struct saved_holder *holder = saved_holder_at(history, at);
    release_ns = holder->release_ns > release_ns ? holder->release_ns : release_ns;
    at = holder->next;
  }
  const size_t from = first_end(facts, saved_holder_at(history, row->first_holder)->save_ns) + 1;
  const size_t to = first_end(facts, release_ns);
  if (from < to) {
    held[from] += (int64_t)row->bytes;
    held[to] -= (int64_t)row->bytes;
  }
}

static void add_rows(const struct facts *facts, int64_t *held) {
  for (uint32_t i = 0; i < facts->history->rows.count; i++) {
    const struct saved_row *row = saved_row_at(facts->history, i);
    if (saved_row_counts(row) && !row->region && row->first_holder != SAVED_NONE) {
      add_row(facts, row, held);
    }
  }
}

/* In all complete steps from the first that holds any; but where the run ends everything goes. */
static bool grows(const struct facts *facts, const int64_t *held, struct growth *growth) {
  int64_t sum = 0, before = 0;
  size_t count = 0;
  for (size_t i = 0; i < facts->steps_count; i++) {
    const struct facts_step *step = &facts->steps[i];
    sum += held[i];
    if (!step->complete || (sum == 0 && count == 0)) {
      continue;
    }
    if (sum <= before) {
      return i + 1 == facts->steps_count && count >= LEAST_STEPS;
    }
    if (count++ == 0) {
      growth->first = step->index;
      growth->first_bytes = (uint64_t)sum;
    }
    growth->last = step->index;
    growth->last_bytes = (uint64_t)sum;
    before = sum;
  }
  return count >= LEAST_STEPS;
}

static bool is_much(const struct growth *growth) {
  return growth->last_bytes - growth->first_bytes >= growth->first_bytes / 100 * LEAST_PERCENT;
}

bool growth_find(const struct facts *facts, struct growth *growth) {
  if (!facts->history || facts->run.confidence > 0) { /* inferred: other holders, and what ends late, are guesses */
    return false;
  }
  int64_t *held = calloc(facts->steps_count + 1, sizeof *held); /* without memory nothing is told */
  if (!held) {
    return false;
  }
  add_rows(facts, held);
  *growth = (struct growth){0};
  const bool found = grows(facts, held, growth) && is_much(growth);
  free(held);
  return found;
}
