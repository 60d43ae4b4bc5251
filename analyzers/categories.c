/* A block that lasts counts under its category from its first event to its last, and while an op holds it for backward as a
 * saved activation; sums over time are kept as differences from one sample to the next. Everything that does not last is
 * what is left: temporary once the first step has begun, other before. */
#include "analyzers/categories.h"

#include "analyzers/category_rules.h"
#include "common/error.h"

#include <stdlib.h>

struct category_bytes {
  int64_t of[CATEGORY_COUNT];
};

struct ledger {
  const struct timeline *timeline;
  struct category_bytes *differences; /* by sample: to the one before */
  struct category_shares *shares;     /* by stack */
};

/* The first sample at or after the event. */
static size_t first_sample(const struct timeline *timeline, uint64_t event) {
  size_t low = 0, high = timeline->samples_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (timeline->sample_events[middle] < event) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

struct block_count {
  const struct ledger *ledger;
  const struct lasting_block *block;
  const struct saved_row *row;
  enum category base;
  struct category_bytes at_peak; /* of this block */
};

static bool lives_at_peak(const struct ledger *ledger, uint64_t from, uint64_t to) {
  return from <= ledger->timeline->peak_event && ledger->timeline->peak_event < to;
}

/* These bytes of the block's are of the category right after the events [from, to). */
static void count(struct block_count *counted, enum category category, uint64_t bytes, uint64_t from, uint64_t to) {
  const struct ledger *ledger = counted->ledger;
  size_t first = first_sample(ledger->timeline, from), last = first_sample(ledger->timeline, to);
  int64_t *begin = &ledger->differences[first].of[category], *end = &ledger->differences[last].of[category];
  *begin = timeline_sum(*begin, bytes);
  *end = timeline_sum(*end, -bytes);
  if (lives_at_peak(ledger, from, to)) {
    counted->at_peak.of[category] = timeline_sum(counted->at_peak.of[category], bytes);
  }
}

static void recount(struct block_count *counted, enum category category, uint64_t from, uint64_t to) {
  count(counted, counted->base, -counted->row->bytes, from, to);
  count(counted, category, counted->row->bytes, from, to);
}

static int count_held(void *context, uint64_t from, uint64_t to) {
  recount(context, CATEGORY_SAVED_ACTIVATION, from, to);
  return 0;
}

static void count_region(const struct category_rules *rules, struct block_count *counted, uint32_t row) {
  const uint32_t index = counted->row->region - 1;
  const struct region_role *role = &rules->roles[index];
  if (role->category != CATEGORY_COUNT && role->row == row &&
      region_is_of_fullest(rules->regions, region_at(rules->regions, index))) {
    recount(counted, role->category, counted->block->alloc_event, counted->block->free_event);
  }
}

static void count_row(const struct category_rules *rules, struct block_count *counted, uint32_t index) {
  counted->row = saved_row_at(rules->history, index);
  if (counted->row->region) {
    count_region(rules, counted, index);
  } else if (counted->base != CATEGORY_PARAMETER && counted->base != CATEGORY_INPUT) {
    saved_row_each_stretch(rules->history, counted->row, count_held, counted);
  }
}

static void add_to_stack(const struct block_count *counted) {
  struct category_shares *shares = &counted->ledger->shares[counted->block->stack];
  shares->lasting_blocks += lives_at_peak(counted->ledger, counted->block->alloc_event, counted->block->free_event);
  for (int i = 0; i < CATEGORY_COUNT; i++) {
    shares->bytes[i] = timeline_sum(shares->bytes[i], (uint64_t)counted->at_peak.of[i]);
    shares->blocks[i] += counted->at_peak.of[i] > 0;
  }
}

static void count_block(const struct ledger *ledger, struct category_rules *rules, struct lasting_block *block) {
  block->category = category_rules_judge(rules, block);
  struct block_count counted = {.ledger = ledger, .block = block, .base = block->category};
  count(&counted, counted.base, block->bytes, block->alloc_event, block->free_event);
  for (uint32_t i = 0; i < block->rows_count; i++) {
    count_row(rules, &counted, lasting_row(rules->lasting, block, i));
  }
  add_to_stack(&counted);
}

/* ---- sums ---------------------------------------------------------------------------------------------------------- */

/* Takes what is asked for from the bytes not yet in any category: the sums of small blocks come late, beside the next
 * event of their thread, so they may be out of step with the rest by a little. */
static uint64_t take(uint64_t *left, int64_t bytes) {
  uint64_t taken = bytes < 0 ? 0 : (uint64_t)bytes < *left ? (uint64_t)bytes : *left;
  *left -= taken;
  return taken;
}

static void share_out(uint64_t live, const struct category_bytes *shares, int64_t small, enum category rest,
                      uint64_t *categories) {
  uint64_t left = live;
  for (int i = 0; i < CATEGORY_COUNT; i++) {
    categories[i] = take(&left, i == CATEGORY_SMALL ? small : shares->of[i]);
  }
  categories[rest] += left;
}

/* Where the last step ends is a guess, so what follows it counts as much. */
static enum category rest_at(const struct analysis *analysis, uint64_t event) {
  return steps_begun(&analysis->steps, event) ? CATEGORY_TEMPORARY : CATEGORY_OTHER;
}

static void share_out_samples(const struct analysis *analysis, const struct ledger *ledger, struct facts *facts) {
  struct category_bytes sums = {{0}};
  for (size_t i = 0; i < facts->timeline_count; i++) {
    struct facts_sample *sample = &facts->timeline[i];
    const int64_t small = (int64_t)sample->categories[CATEGORY_SMALL];
    for (int c = 0; c < CATEGORY_COUNT; c++) {
      sums.of[c] = timeline_sum(sums.of[c], (uint64_t)ledger->differences[i].of[c]);
    }
    share_out(sample->live_bytes, &sums, small, rest_at(analysis, analysis->timeline.sample_events[i]),
              sample->categories);
  }
}

/* What does not last is known at the peak by its stacks: the rest of what they had then. */
static void share_out_peak(const struct analysis *analysis, struct category_shares *shares, struct facts *facts) {
  const struct timeline *timeline = &analysis->timeline;
  const enum category rest_category = rest_at(analysis, timeline->peak_event);
  struct category_bytes sums = {{0}};
  for (uint32_t i = 0; i < timeline->stacks_limit; i++) {
    int64_t rest = timeline->stacks[i].peak_bytes;
    for (int c = 0; c < CATEGORY_COUNT; c++) {
      rest = timeline_sum(rest, -(uint64_t)shares[i].bytes[c]);
      sums.of[c] = timeline_sum(sums.of[c], (uint64_t)shares[i].bytes[c]);
    }
    if (rest > 0) {
      shares[i].bytes[rest_category] += rest;
      shares[i].blocks[rest_category] += (uint64_t)timeline->stacks[i].peak_blocks - shares[i].lasting_blocks;
    }
  }
  share_out(facts->peak.bytes, &sums, timeline->peak_small, rest_category, facts->categories);
}

static int judge_all(struct analysis *analysis, const struct ledger *ledger) {
  struct lasting *lasting = &analysis->lasting;
  struct category_rules rules = {.steps = &analysis->steps,
                                 .history = analysis->holders.history,
                                 .regions = &analysis->regions,
                                 .lasting = lasting,
                                 .traits = &analysis->traits};
  int rc = lasting_find(lasting, analysis->reader, rules.traits, rules.steps, rules.history, rules.regions);
  rc = rc == 0 ? category_rules_init(&rules) : rc;
  for (size_t i = 0; i < lasting->blocks.count && rc == 0; i++) {
    count_block(ledger, &rules, lasting_at(lasting, i));
  }
  category_rules_fini(&rules);
  return rc;
}

int categories_assign(struct analysis *analysis, struct facts *facts, struct category_shares *shares) {
  struct ledger ledger = {.timeline = &analysis->timeline, .shares = shares};
  analysis->traits = (struct stack_traits){.reader = analysis->reader, .symbols = analysis->symbols};
  ledger.differences = calloc(facts->timeline_count + 1, sizeof *ledger.differences);
  int rc = ledger.differences ? stack_traits_init(&analysis->traits) : ERROR_MEMORY;
  rc = rc == 0 ? judge_all(analysis, &ledger) : rc;
  if (rc == 0) {
    share_out_samples(analysis, &ledger, facts);
    share_out_peak(analysis, shares, facts);
  }
  free(ledger.differences);
  return rc;
}
