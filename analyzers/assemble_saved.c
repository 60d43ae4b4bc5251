/* Names and verdicts, once the trace has ended: by now every release that could name a node has been seen. */
#include "analyzers/assemble_saved.h"

#include "analyzers/arenas.h"
#include "analyzers/eligibility.h"
#include "analyzers/facts_modules.h"
#include "analyzers/site.h"
#include "analyzers/strings.h"
#include "analyzers/traffic.h"
#include "common/error.h"

#include <stdlib.h>

static int name_holders(struct analysis *analysis, struct facts *facts) {
  struct saved_history *history = analysis->holders.history;
  for (uint32_t i = 0; i < history->holders.count; i++) {
    struct saved_holder *holder = saved_holder_at(history, i);
    const char *node_class = holders_node_class(&analysis->holders, holder);
    const char *op = holder->source == SAVED_BY_ORDER_ALONE
                         ? holder->raw_op
                         : op_names_canonical(analysis->names, holder->raw_op, node_class);
    holder->op = strings_intern(facts->strings, *op ? op : "unknown");
    holder->layer = strings_intern(facts->strings, holder->layer);
    if (!holder->op || !holder->layer) {
      return ERROR_MEMORY;
    }
  }
  return 0;
}

static int name_rows(struct saved_history *history, struct facts *facts) {
  for (uint32_t i = 0; i < history->rows.count; i++) {
    struct saved_row *row = saved_row_at(history, i);
    row->name = strings_intern(facts->strings, row->name);
    if (!row->name) {
      return ERROR_MEMORY;
    }
  }
  return 0;
}

static void judge_rows(const struct analysis *analysis) {
  struct saved_history *history = analysis->holders.history;
  for (uint32_t i = 0; i < history->rows.count; i++) {
    struct saved_row *row = saved_row_at(history, i);
    if (row->first_holder != SAVED_NONE) {
      struct eligibility verdict = eligibility_of(history, row);
      row->eligible = verdict.eligible;
      row->reason = verdict.reason;
    }
  }
}

/* A row whose op was not seen to return ends no earlier with codes than without. Of regions see arenas.h. */
static bool is_replaceable(const struct saved_row *row, const struct saved_holder *holder) {
  return !row->region && saved_row_counts(row) && row->eligible && holder->op_end_event < holder->release_event &&
         row->free_event != SAVED_NEVER;
}

static int by_begin(const void *a, const void *b) {
  const struct facts_replaceable *x = a, *y = b;
  return x->begin_event != y->begin_event ? (x->begin_event > y->begin_event) - (x->begin_event < y->begin_event)
                                          : (x->arena > y->arena) - (x->arena < y->arena);
}

static size_t count_replaceables(const struct saved_history *history) {
  size_t count = 0;
  for (uint32_t i = 0; i < history->rows.count; i++) {
    const struct saved_row *row = saved_row_at(history, i);
    count += row->first_holder != SAVED_NONE && is_replaceable(row, saved_holder_at(history, row->first_holder));
  }
  return count;
}

static void list_replaceable_blocks(const struct saved_history *history, struct facts *facts) {
  for (uint32_t i = 0; i < history->rows.count; i++) {
    const struct saved_row *row = saved_row_at(history, i);
    if (row->first_holder == SAVED_NONE) {
      continue;
    }
    const struct saved_holder *holder = saved_holder_at(history, row->first_holder);
    if (is_replaceable(row, holder)) {
      facts->replaceables[facts->replaceables_count++] =
          (struct facts_replaceable){.op = holder->op,
                                     .step = row->step,
                                     .listed = row->listed,
                                     .bytes = row->bytes,
                                     .elements = row->elements,
                                     .begin_event = holder->op_end_event,
                                     .release_event = holder->release_event,
                                     .free_event = row->free_event};
    }
  }
}

static int list_replaceables(const struct analysis *analysis, const struct region_use *uses, struct facts *facts) {
  const struct saved_history *history = analysis->holders.history;
  const size_t pieces = arenas_list_replaceables(analysis, uses, NULL);
  facts->replaceables = calloc(count_replaceables(history) + pieces + 1, sizeof *facts->replaceables);
  if (!facts->replaceables) {
    return ERROR_MEMORY;
  }
  list_replaceable_blocks(history, facts);
  facts->replaceables_count +=
      arenas_list_replaceables(analysis, uses, facts->replaceables + facts->replaceables_count);
  qsort(facts->replaceables, facts->replaceables_count, sizeof *facts->replaceables, by_begin);
  return 0;
}

/* ---- stacks and sites -------------------------------------------------------------------------------------------- */

/* When each stack that has to be named was taken, by stack id; SAVED_NEVER: it has not to be. */
static uint64_t *wanted_stacks(const struct analysis *analysis) {
  const struct timeline *timeline = &analysis->timeline;
  const struct saved_history *history = analysis->holders.history;
  uint64_t *when = malloc(timeline->stacks_limit * sizeof *when);
  for (uint32_t i = 0; when && i < timeline->stacks_limit; i++) {
    when[i] = timeline->stacks[i].peak_blocks > 0 ? timeline->peak_ns : SAVED_NEVER;
  }
  for (uint32_t i = 0; when && i < history->rows.count; i++) {
    const struct saved_row *row = saved_row_at(history, i);
    if (saved_row_counts(row) && when[row->stack] == SAVED_NEVER) {
      when[row->stack] = row->alloc_ns;
    }
  }
  if (when) {
    traffic_want(timeline, when);
  }
  return when;
}

static int name_stack(struct analysis *analysis, struct facts *facts, struct site_resolver *resolver, uint32_t stack,
                      uint64_t time_ns) {
  struct saved_stack_name *name = &analysis->holders.history->stacks[stack];
  struct facts_stack *resolved = &facts->stacks[facts->stacks_count];
  int rc = site_resolve(resolver, stack, time_ns, resolved);
  if (rc != 0) {
    return rc;
  }
  facts->stacks_count++;
  const char *raw = op_names_of_stack(analysis->names, stack, NULL);
  name->op = strings_intern(facts->strings, op_names_canonical(analysis->names, raw, ""));
  name->site = site_name(resolved, facts->strings);
  return name->op && name->site ? 0 : ERROR_MEMORY;
}

static int name_stacks(struct analysis *analysis, struct facts *facts) {
  struct saved_history *history = analysis->holders.history;
  uint64_t *when = wanted_stacks(analysis);
  size_t count = 0;
  int rc = 0;
  history->stacks_limit = analysis->timeline.stacks_limit;
  history->stacks = calloc(history->stacks_limit, sizeof *history->stacks);
  for (uint32_t i = 0; when && i < history->stacks_limit; i++) {
    count += when[i] != SAVED_NEVER;
  }
  facts->stacks = calloc(count + 1, sizeof *facts->stacks);
  if (!when || !history->stacks || !facts->stacks) {
    free(when);
    return ERROR_MEMORY;
  }
  struct site_resolver resolver = {.reader = analysis->reader,
                                   .symbols = analysis->symbols,
                                   .strings = facts->strings,
                                   .time_ns = analysis->timeline.peak_ns};
  for (uint32_t i = 0; i < history->stacks_limit && rc == 0; i++) {
    rc = when[i] != SAVED_NEVER ? name_stack(analysis, facts, &resolver, i, when[i]) : 0;
  }
  site_resolver_fini(&resolver);
  free(when);
  return rc;
}

static int list_modules(const struct analysis *analysis, struct facts *facts) {
  const struct trace_module *modules;
  size_t count = trace_reader_modules(analysis->reader, &modules);
  return facts_list_modules(facts, modules, count, analysis->symbols);
}

static int larger_site_first(const void *a, const void *b) {
  const struct facts_site *x = a, *y = b;
  if (x->bytes != y->bytes) {
    return x->bytes < y->bytes ? 1 : -1;
  }
  return x->stack != y->stack ? (x->stack > y->stack) - (x->stack < y->stack) : (int)x->category - (int)y->category;
}

/* Only counts if facts->sites is NULL. */
static size_t add_sites(struct facts *facts, uint32_t stack, const struct saved_stack_name *name,
                        const struct category_shares *shares) {
  size_t count = 0;
  for (int i = 0; i < CATEGORY_COUNT; i++) {
    if (shares->bytes[i] <= 0) {
      continue;
    }
    count++;
    if (facts->sites) {
      facts->sites[facts->sites_count++] = (struct facts_site){
          stack, (uint64_t)shares->bytes[i], shares->blocks[i], name->site, name->op, (enum category)i};
    }
  }
  return count;
}

static int list_sites(const struct analysis *analysis, struct facts *facts, const struct category_shares *shares) {
  const struct saved_history *history = analysis->holders.history;
  size_t count = 0;
  for (uint32_t i = 0; i < history->stacks_limit; i++) {
    count += add_sites(facts, i, &history->stacks[i], &shares[i]);
  }
  facts->sites = calloc(count + 1, sizeof *facts->sites);
  if (!facts->sites) {
    return ERROR_MEMORY;
  }
  for (uint32_t i = 0; i < history->stacks_limit; i++) {
    add_sites(facts, i, &history->stacks[i], &shares[i]);
  }
  qsort(facts->sites, facts->sites_count, sizeof *facts->sites, larger_site_first);
  return 0;
}

/* ---- saved blocks of the representative step --------------------------------------------------------------------- */

static int larger_row_first(const void *a, const void *b, void *context) {
  const struct saved_history *history = context;
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  uint64_t p = saved_row_at(history, x)->bytes, q = saved_row_at(history, y)->bytes;
  return p != q ? (p < q) - (p > q) : (x > y) - (x < y);
}

static void mark_listed(struct analysis *analysis) {
  const struct saved_maximum *best = &analysis->steps.best_maximum;
  for (size_t i = 0; i < best->blocks; i++) {
    saved_row_at(analysis->holders.history, best->rows[i])->listed = true;
  }
}

static int list_saved(struct analysis *analysis, struct facts *facts) {
  struct saved_maximum *best = &analysis->steps.best_maximum;
  facts->saved = calloc(best->blocks + 1, sizeof *facts->saved);
  if (!facts->saved) {
    return ERROR_MEMORY;
  }
  if (best->blocks) {
    qsort_r(best->rows, best->blocks, sizeof *best->rows, larger_row_first, analysis->holders.history);
  }
  for (size_t i = 0; i < best->blocks; i++) {
    int rc = saved_history_block(analysis->holders.history, best->rows[i], &facts->saved[facts->saved_count]);
    if (rc != 0) {
      return rc;
    }
    facts->saved_count++;
  }
  return 0;
}

int assemble_saved(struct analysis *analysis, struct facts *facts, const struct category_shares *shares) {
  struct region_use *uses = NULL;
  int rc = name_holders(analysis, facts);
  rc = rc == 0 ? name_rows(analysis->holders.history, facts) : rc;
  if (rc == 0) {
    judge_rows(analysis);
    mark_listed(analysis);
    uses = arenas_uses(analysis);
    rc = uses ? list_replaceables(analysis, uses, facts) : ERROR_MEMORY;
  }
  free(uses);
  rc = rc == 0 ? name_stacks(analysis, facts) : rc;
  rc = rc == 0 ? list_modules(analysis, facts) : rc;
  rc = rc == 0 ? list_sites(analysis, facts, shares) : rc;
  rc = rc == 0 ? traffic_list(analysis, facts) : rc;
  rc = rc == 0 ? list_saved(analysis, facts) : rc;
  facts->history = analysis->holders.history; /* goes with facts from here on, half made or not */
  analysis->holders.history = NULL;
  return rc;
}
