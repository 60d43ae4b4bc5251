/* Asks every source, simulates, keeps what is worth telling. */
#include "analyzers/advice.h"

#include "analyzers/advice_candidate.h"
#include "analyzers/op_name.h"
#include "analyzers/projection.h"
#include "analyzers/simulation.h"
#include "analyzers/strings.h"
#include "common/error.h"

#include <stdlib.h>
#include <string.h>

/* The paper finds nothing lost at 3 bits, and so do the drop-in's measurements (docs/verification.md). */
enum { BITS = 3, LEAST_SHARE = 100, ADVICE_MAX = ADVICE_CANDIDATES_MAX + 1 };

static bool is_worth_telling(const struct facts *facts, const struct facts_advice *advice) {
  return advice->saving_bytes > 0 && (uint64_t)advice->saving_bytes >= facts->peak.bytes / LEAST_SHARE;
}

/* ---- few-bit codes: the projection has simulated them ------------------------------------------------------------ */

/* The ops that the drop-in replaces unless told otherwise: those that keep their result mostly share it. */
static size_t few_bit_ops(const struct facts *facts, const char **ops) {
  size_t count = 0;
  for (size_t i = 0; i < facts->replaceables_count; i++) {
    const char *op = facts->replaceables[i].op;
    bool saves_result = true, known = false;
    op_is_pointwise(op, &saves_result);
    for (size_t j = 0; j < count; j++) {
      known = known || ops[j] == op;
    }
    if (!saves_result && !known && count < ADVICE_NAMES_MAX) {
      ops[count++] = op;
    }
  }
  return count;
}

static bool is_one_of(const char *op, const char *const *ops, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(op, ops[i]) == 0) {
      return true;
    }
  }
  return false;
}

static int name_few_bits(struct advisor *advisor, const char *const *ops, size_t count, struct facts_advice *advice) {
  const struct facts *facts = advisor->facts;
  struct tally by_op = {.count = 0}, by_layer = {.count = 0};
  for (size_t i = 0; i < facts->saved_count; i++) {
    const struct facts_saved_block *block = &facts->saved[i];
    if (!block->eligible || !is_one_of(block->op, ops, count)) {
      continue;
    }
    tally_add(&by_op, block->op, block->bytes);
    advice->blocks++;
    const char *layer = *block->layer ? advice_like_layers(advisor, block->layer) : "";
    if (!layer) {
      return ERROR_MEMORY;
    }
    if (*layer) {
      tally_add(&by_layer, layer, block->bytes);
    }
  }
  advice->ops = tally_join(&by_op, facts->strings);
  advice->layers = tally_join(&by_layer, facts->strings);
  return advice->ops && advice->layers ? 0 : ERROR_MEMORY;
}

static int advise_few_bits(struct advisor *advisor, struct facts_advice *advice) {
  const struct facts *facts = advisor->facts;
  const uint64_t peak = advisor->analysis->timeline.peak_event;
  const char *ops[ADVICE_NAMES_MAX];
  struct facts_projection projection;
  size_t count = few_bit_ops(facts, ops);
  *advice = (struct facts_advice){.kind = ADVICE_FEW_BITS, .bits = BITS, .site = strings_intern(facts->strings, "")};
  int rc = count ? projection_compute(facts, BITS, ops, count, &projection) : 0;
  if (rc != 0 || !count) {
    return rc;
  }
  advice->peak_bytes = projection.peak_bytes;
  advice->saving_bytes = projection.saving_bytes;
  for (size_t i = 0; i < facts->replaceables_count; i++) {
    const struct facts_replaceable *block = &facts->replaceables[i];
    const bool lives = block->begin_event <= peak && peak < block->free_event;
    advice->bytes += lives && is_one_of(block->op, ops, count) ? block->bytes : 0;
  }
  return name_few_bits(advisor, ops, count, advice);
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

static int simulate(struct advisor *advisor) {
  struct scenario *scenarios = calloc(advisor->count + 1, sizeof *scenarios);
  if (!scenarios) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < advisor->count; i++) {
    scenarios[i] = advisor->candidates[i].scenario;
  }
  int rc =
      advisor->count ? simulation_of_trace(advisor->analysis->reader, scenarios, advisor->count, &advisor->groups) : 0;
  for (size_t i = 0; i < advisor->count; i++) {
    advisor->candidates[i].scenario = scenarios[i];
  }
  free(scenarios);
  return rc;
}

static int conclude(const struct advisor *advisor, struct candidate *candidate, struct facts_advice *advice) {
  const struct facts *facts = advisor->facts;
  *advice = candidate->advice;
  advice->bytes = candidate->scenario.bytes;
  advice->peak_bytes = candidate->scenario.peak > 0 ? (uint64_t)candidate->scenario.peak : 0;
  advice->saving_bytes = (int64_t)(facts->peak.bytes - advice->peak_bytes);
  advice->ops = tally_join(&candidate->ops, facts->strings);
  advice->layers = tally_join(&candidate->layers, facts->strings);
  advice->site = advice->site ? advice->site : strings_intern(facts->strings, "");
  return advice->ops && advice->layers && advice->site ? 0 : ERROR_MEMORY;
}

static int larger_saving_first(const void *a, const void *b) {
  const struct facts_advice *x = a, *y = b;
  return x->saving_bytes != y->saving_bytes ? (x->saving_bytes < y->saving_bytes) - (x->saving_bytes > y->saving_bytes)
                                            : (x->kind > y->kind) - (x->kind < y->kind);
}

static int write_advice(struct advisor *advisor) {
  struct facts *facts = advisor->facts;
  facts->advice = calloc(ADVICE_MAX, sizeof *facts->advice);
  int rc = facts->advice ? advise_few_bits(advisor, &facts->advice[0]) : ERROR_MEMORY;
  facts->advice_count = rc == 0 && is_worth_telling(facts, &facts->advice[0]);
  for (size_t i = 0; i < advisor->count && rc == 0; i++) {
    struct facts_advice *advice = &facts->advice[facts->advice_count];
    rc = conclude(advisor, &advisor->candidates[i], advice);
    facts->advice_count += rc == 0 && is_worth_telling(facts, advice);
  }
  if (facts->advice_count) {
    qsort(facts->advice, facts->advice_count, sizeof *facts->advice, larger_saving_first);
  }
  return rc;
}

static int ask_all(struct advisor *advisor) {
  static int (*const sources[])(struct advisor *) = {advice_masks, advice_gradients, advice_kept, advice_recomputed,
                                                     advice_temporaries};
  int rc = 0;
  for (size_t i = 0; i < sizeof sources / sizeof *sources && rc == 0; i++) {
    rc = sources[i](advisor);
  }
  return rc;
}

int advice_find(struct analysis *analysis, struct facts *facts, const struct category_shares *shares) {
  struct advisor advisor = {.analysis = analysis, .facts = facts, .shares = shares};
  if (!analysis->steps.count || !facts->peak.bytes) {
    return 0;
  }
  advisor.candidates = calloc(ADVICE_CANDIDATES_MAX, sizeof *advisor.candidates);
  advisor.groups.stacks_limit = analysis->timeline.stacks_limit;
  advisor.groups.of_stack = calloc((size_t)analysis->timeline.stacks_limit + 1, sizeof *advisor.groups.of_stack);
  int rc =
      advisor.candidates && advisor.groups.of_stack ? facts_layers_init(&advisor.layers, facts, false) : ERROR_MEMORY;
  rc = rc == 0 ? ask_all(&advisor) : rc;
  rc = rc == 0 ? simulate(&advisor) : rc;
  rc = rc == 0 ? write_advice(&advisor) : rc;
  for (size_t i = 0; i < advisor.count; i++) {
    scenario_fini(&advisor.candidates[i].scenario);
  }
  facts_layers_fini(&advisor.layers);
  map64_fini(&advisor.patterns);
  free(advisor.candidates);
  free(advisor.groups.of_stack);
  return rc;
}
