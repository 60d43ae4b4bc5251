/* Advice about what is born and dead in passing but lives at the peak: an optimizer's arithmetic on all parameters at once,
 * which could go from one to the next, and the op that has most of the rest, should one be able to do without. */
#include "analyzers/advice_candidate.h"

#include "common/error.h"

#include <stdlib.h>

static uint64_t temporary_bytes(const struct advisor *advisor, uint32_t stack) {
  const int64_t bytes = advisor->shares[stack].bytes[CATEGORY_TEMPORARY];
  return bytes > 0 ? (uint64_t)bytes : 0;
}

static const char *op_of(const struct advisor *advisor, uint32_t stack) {
  const char *op = advisor->facts->history->stacks[stack].op;
  return op ? op : "";
}

static bool is_foreach(const struct advisor *advisor, uint32_t stack) {
  return stack_traits_of(&advisor->analysis->traits, stack) & STACK_IN_FOREACH;
}

/* Gradients on their way through autograd's own functions: no program can do without them. */
static bool is_of_autograd(const struct advisor *advisor, uint32_t stack) {
  const unsigned own = STACK_IN_OWN_BACKWARD | STACK_IN_UPDATE_HOOK;
  const unsigned traits = stack_traits_of(&advisor->analysis->traits, stack);
  return (traits & STACK_IN_BACKWARD) && !(traits & own);
}

/* What the program could be without at the peak, in foreach or not. */
static uint64_t spare_bytes(const struct advisor *advisor, uint32_t stack, bool foreach) {
  const bool counts = *op_of(advisor, stack) && is_foreach(advisor, stack) == foreach;
  return counts && !is_of_autograd(advisor, stack) ? temporary_bytes(advisor, stack) : 0;
}

/* By op: the temporaries at the peak that are of foreach, or not. */
static struct tally tally_of(const struct advisor *advisor, bool foreach) {
  struct tally tally = {.count = 0};
  for (uint32_t i = 0; i < advisor->facts->history->stacks_limit; i++) {
    const uint64_t bytes = spare_bytes(advisor, i, foreach);
    if (bytes) {
      tally_add(&tally, op_of(advisor, i), bytes);
    }
  }
  return tally;
}

/* What the group's stacks allocate that is no temporary stays. */
static int leave_lasting(const struct advisor *advisor, struct candidate *candidate, uint8_t group) {
  const struct lasting *lasting = &advisor->analysis->lasting;
  int rc = 0;
  for (size_t i = 0; i < lasting->blocks.count && rc == 0; i++) {
    const struct lasting_block *block = lasting_at(lasting, i);
    if (advisor->groups.of_stack[block->stack] == group &&
        (block->category != CATEGORY_TEMPORARY || block->rows_count)) {
      rc = scenario_leave(&candidate->scenario, block->bytes, block->alloc_event, block->free_event);
    }
  }
  return rc;
}

/* The candidate is without this op's temporaries. */
static int without(struct advisor *advisor, struct candidate *candidate, const char *op, bool foreach) {
  struct scenario_groups *groups = &advisor->groups;
  if (groups->count == SCENARIO_GROUPS_MAX) {
    return 0;
  }
  groups->items[groups->count++] =
      (struct scenario_group){.scenario = (uint8_t)(candidate - advisor->candidates), .one_at_a_time = foreach};
  for (uint32_t i = 0; i < advisor->facts->history->stacks_limit; i++) {
    const uint64_t share = spare_bytes(advisor, i, foreach);
    if (!share || op_of(advisor, i) != op) {
      continue;
    }
    groups->of_stack[i] = (uint8_t)groups->count;
    tally_add(&candidate->ops, op, share);
    candidate->advice.blocks += advisor->shares[i].blocks[CATEGORY_TEMPORARY];
    if (share > candidate->largest) {
      candidate->largest = share;
      candidate->advice.site = advisor->facts->history->stacks[i].site;
    }
  }
  return leave_lasting(advisor, candidate, (uint8_t)groups->count);
}

static int advise_foreach(struct advisor *advisor) {
  const struct tally tally = tally_of(advisor, true);
  struct candidate *candidate = NULL;
  int rc = tally.count ? candidate_new(advisor, ADVICE_FOREACH, &candidate) : 0;
  for (size_t i = 0; i < tally.count && rc == 0 && candidate; i++) {
    rc = without(advisor, candidate, tally.items[i].name, true);
  }
  return rc;
}

static int advise_largest(struct advisor *advisor) {
  const struct tally tally = tally_of(advisor, false);
  struct candidate *candidate = NULL;
  size_t largest = 0;
  for (size_t i = 1; i < tally.count; i++) {
    largest = tally.items[i].bytes > tally.items[largest].bytes ? i : largest;
  }
  int rc = tally.count ? candidate_new(advisor, ADVICE_TEMPORARY, &candidate) : 0;
  return rc == 0 && candidate ? without(advisor, candidate, tally.items[largest].name, false) : rc;
}

int advice_temporaries(struct advisor *advisor) {
  int rc = advise_foreach(advisor);
  return rc == 0 ? advise_largest(advisor) : rc;
}
