/* Names and teardown of facts, and the table of ops that follows from the list of saved blocks. */
#include "analyzers/facts.h"

#include "analyzers/facts_ops.h"
#include "analyzers/saved_history.h"
#include "analyzers/strings.h"
#include "common/error.h"

#include <stdlib.h>
#include <string.h>

const char *const category_names[CATEGORY_COUNT] = {
    [CATEGORY_PARAMETER] = "parameter",
    [CATEGORY_GRADIENT] = "gradient",
    [CATEGORY_OPTIMIZER_STATE] = "optimizer_state",
    [CATEGORY_INPUT] = "input",
    [CATEGORY_SAVED_ACTIVATION] = "saved_activation",
    [CATEGORY_TEMPORARY] = "temporary",
    [CATEGORY_SMALL] = "small",
    [CATEGORY_OTHER] = "other",
};

const char *const phase_names[PHASE_COUNT] = {
    [PHASE_OUTSIDE] = "outside",
    [PHASE_FORWARD] = "forward",
    [PHASE_BACKWARD] = "backward",
    [PHASE_UPDATE] = "update",
};

const char *const advice_names[ADVICE_KINDS] = {
    [ADVICE_FEW_BITS] = "few_bits",   [ADVICE_MASK_BITS] = "mask_bits",   [ADVICE_FREE_GRADIENTS] = "free_gradients",
    [ADVICE_FREE_KEPT] = "free_kept", [ADVICE_CHECKPOINT] = "checkpoint", [ADVICE_RECOMPUTE] = "recompute",
    [ADVICE_FOREACH] = "foreach",     [ADVICE_TEMPORARY] = "temporary",
};

void facts_traffic_add(struct facts_traffic *sum, const struct facts_traffic *traffic) {
  sum->allocations += traffic->allocations;
  sum->bytes += traffic->bytes;
  sum->temporary += traffic->temporary;
  sum->end_blocks += traffic->end_blocks;
  sum->end_bytes += traffic->end_bytes;
}

void facts_fini(struct facts *facts) {
  for (size_t i = 0; i < facts->saved_count; i++) {
    free(facts->saved[i].holders);
  }
  for (size_t i = 0; i < facts->stacks_count; i++) {
    free(facts->stacks[i].frames);
  }
  free(facts->steps);
  free(facts->by_op);
  free(facts->saved);
  free(facts->projections);
  free(facts->sites);
  free(facts->stacks);
  free(facts->modules);
  free(facts->timeline);
  free(facts->segments);
  free(facts->replaceables);
  free(facts->busy_sites);
  free(facts->advice);
  saved_history_close(facts->history);
  strings_close(facts->strings);
  *facts = (struct facts){0};
}

static struct facts_op *op_entry(struct facts *facts, char *name) {
  for (size_t i = 0; i < facts->by_op_count; i++) {
    if (strcmp(facts->by_op[i].op, name) == 0) {
      return &facts->by_op[i];
    }
  }
  struct facts_op *larger = realloc(facts->by_op, (facts->by_op_count + 1) * sizeof *larger);
  if (!larger) {
    return NULL;
  }
  facts->by_op = larger;
  facts->by_op[facts->by_op_count] = (struct facts_op){.op = name};
  return &facts->by_op[facts->by_op_count++];
}

static bool named_before(const struct facts_saved_block *block, size_t holder) {
  for (size_t i = 0; i < holder; i++) {
    if (strcmp(block->holders[i].op, block->holders[holder].op) == 0) {
      return true;
    }
  }
  return false;
}

static bool one_op(const struct facts_saved_block *block) {
  for (size_t i = 1; i < block->holders_count; i++) {
    if (strcmp(block->holders[i].op, block->holders[0].op) != 0) {
      return false;
    }
  }
  return true;
}

static int count_block(struct facts *facts, const struct facts_saved_block *block) {
  for (size_t i = 0; i < block->holders_count; i++) {
    if (named_before(block, i)) {
      continue;
    }
    struct facts_op *op = op_entry(facts, block->holders[i].op);
    if (!op) {
      return ERROR_MEMORY;
    }
    op->bytes += block->bytes;
    op->blocks++;
    op->exclusive_bytes += one_op(block) ? block->bytes : 0;
    op->eligible_bytes += block->eligible ? block->bytes : 0;
  }
  return 0;
}

static int larger_op_first(const void *a, const void *b) {
  const struct facts_op *x = a, *y = b;
  return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes) : strcmp(x->op, y->op);
}

int facts_count_ops(struct facts *facts) {
  free(facts->by_op);
  facts->by_op = NULL;
  facts->by_op_count = 0;
  for (size_t i = 0; i < facts->saved_count; i++) {
    if (count_block(facts, &facts->saved[i]) != 0) {
      return ERROR_MEMORY;
    }
  }
  if (facts->by_op_count) {
    qsort(facts->by_op, facts->by_op_count, sizeof *facts->by_op, larger_op_first);
  }
  return 0;
}
