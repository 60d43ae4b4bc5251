/* The rules of eligibility, in the order in which they are worth telling. */
#include "analyzers/eligibility.h"

#include "analyzers/dtype.h"
#include "analyzers/op_name.h"

#include <stddef.h>
#include <string.h>

enum reason {
  ELIGIBLE,
  SHARED,
  NOT_POINTWISE,
  NOT_FLOATING,
  DROPPED,
  STILL_HELD,
  KEPT,
  UNMARKED,
  INFERRED,
  CONSUMER_UNKNOWN,
  RESULT_INFERRED,
  REASONS
};

static const char *const reasons[REASONS] = {
    [ELIGIBLE] = "its only holder is a pointwise nonlinearity",
    [SHARED] = "held more than once: codes would only come on top",
    [NOT_POINTWISE] = "its holder is not a pointwise nonlinearity",
    [NOT_FLOATING] = "its elements are not floating-point numbers",
    [DROPPED] = "freed before backward: nothing is kept that codes could replace",
    [STILL_HELD] = "its release was not seen",
    [KEPT] = "the program keeps it after the release anyway",
    [UNMARKED] = "freed without its release being marked, or under another op's name",
    [INFERRED] = "a pointwise nonlinearity lets go of it last, by inference; other holders cannot be seen",
    [CONSUMER_UNKNOWN] = "inferred from the order of allocations: the op that needs it was not seen",
    [RESULT_INFERRED] = "inferred: its nonlinearity keeps its result, which the next op may need as well",
};

/* Did the block end because its holder let go? */
static enum reason end_reason(const struct saved_row *row, const struct saved_holder *holder) {
  if (row->region) { /* its place is the arena's, whoever lets go of it */
    return row->dropped ? DROPPED : ELIGIBLE;
  }
  if (holder->released) {
    return row->freed_with_release ? ELIGIBLE : KEPT;
  }
  if (holder->release_event == SAVED_NEVER) {
    return STILL_HELD;
  }
  if (row->dropped) {
    return DROPPED;
  }
  if (holder->source == TRACE_SOURCE_MARK) {
    return UNMARKED;
  }
  return row->freed_in_backward ? ELIGIBLE : DROPPED; /* the node went with the block, unseen */
}

/* Of what was inferred only the last holder is known, and no type. */
static enum reason inferred_reason(const struct saved_row *row, const struct saved_holder *holder) {
  bool saves_result = false;
  if (holder->source == SAVED_BY_ORDER_ALONE) {
    return CONSUMER_UNKNOWN;
  }
  if (!op_is_pointwise(holder->op, &saves_result)) {
    return NOT_POINTWISE;
  }
  if (saves_result || holder->op_end_event == SAVED_NEVER) {
    return saves_result ? RESULT_INFERRED : CONSUMER_UNKNOWN;
  }
  return row->freed_in_backward ? INFERRED : KEPT;
}

static enum reason reason_of(const struct saved_history *history, const struct saved_row *row) {
  const struct saved_holder *holder = saved_holder_at(history, row->first_holder);
  if (row->holders > 1) {
    return SHARED;
  }
  if (holder->source == SAVED_BY_ORDER || holder->source == SAVED_BY_ORDER_ALONE) {
    return inferred_reason(row, holder);
  }
  if (!op_is_pointwise(holder->op, NULL)) {
    return NOT_POINTWISE;
  }
  return dtype_is_floating(holder->dtype) ? end_reason(row, holder) : NOT_FLOATING;
}

struct eligibility eligibility_of(const struct saved_history *history, const struct saved_row *row) {
  enum reason reason = reason_of(history, row);
  return (struct eligibility){reason == ELIGIBLE || reason == INFERRED, reasons[reason]};
}

const char *eligibility_reason(const char *text) {
  for (size_t i = 0; i < REASONS; i++) {
    if (strcmp(reasons[i], text) == 0) {
      return reasons[i];
    }
  }
  return "";
}
