/* The busiest stacks, by three orders; a stack that is first in one of them is told of with all its figures. */
#include "analyzers/traffic.h"

#include "analyzers/saved_history.h"
#include "common/error.h"

#include <stdlib.h>

enum order { BY_ALLOCATIONS, BY_TEMPORARY, BY_BYTES_LEFT, ORDERS };

static uint64_t not_negative(int64_t value) {
  return value < 0 ? 0 : (uint64_t)value;
}

static struct facts_traffic traffic_of(const struct stack_load *load) {
  struct facts_traffic traffic = load->traffic;
  traffic.end_blocks = not_negative(load->blocks);
  traffic.end_bytes = not_negative(load->bytes);
  return traffic;
}

static uint64_t weight(const struct stack_load *load, enum order order) {
  const struct facts_traffic traffic = traffic_of(load);
  return order == BY_ALLOCATIONS ? traffic.allocations : order == BY_TEMPORARY ? traffic.temporary : traffic.end_bytes;
}

struct ranking { /* the heaviest of those offered so far, the first of equals first */
  uint32_t stacks[TRAFFIC_STACKS];
  uint64_t weights[TRAFFIC_STACKS];
  uint32_t count;
};

static void offer(struct ranking *ranking, uint32_t stack, uint64_t weight) {
  const bool full = ranking->count == TRAFFIC_STACKS;
  if (weight == 0 || (full && weight <= ranking->weights[TRAFFIC_STACKS - 1])) {
    return;
  }
  uint32_t place = full ? TRAFFIC_STACKS - 1 : ranking->count++;
  for (; place > 0 && ranking->weights[place - 1] < weight; place--) {
    ranking->stacks[place] = ranking->stacks[place - 1];
    ranking->weights[place] = ranking->weights[place - 1];
  }
  ranking->stacks[place] = stack;
  ranking->weights[place] = weight;
}

/* Calls visit for the first stacks of each order; some are visited more than once. */
static void each_busy(const struct timeline *timeline, void (*visit)(void *context, uint32_t stack), void *context) {
  for (int order = 0; order < ORDERS; order++) {
    struct ranking ranking = {.count = 0};
    for (uint32_t i = 0; i < timeline->stacks_limit; i++) {
      offer(&ranking, i, weight(&timeline->stacks[i], (enum order)order));
    }
    for (uint32_t i = 0; i < ranking.count; i++) {
      visit(context, ranking.stacks[i]);
    }
  }
}

/* ---- names ----------------------------------------------------------------------------------------------------------- */

struct wanting {
  const struct timeline *timeline;
  uint64_t *when;
};

static void want(void *context, uint32_t stack) {
  const struct wanting *wanting = context;
  if (wanting->when[stack] == SAVED_NEVER) {
    wanting->when[stack] = wanting->timeline->stacks[stack].alloc_ns;
  }
}

void traffic_want(const struct timeline *timeline, uint64_t *when) {
  struct wanting wanting = {timeline, when};
  each_busy(timeline, want, &wanting);
}

/* ---- the list -------------------------------------------------------------------------------------------------------- */

static void mark(void *context, uint32_t stack) {
  ((bool *)context)[stack] = true;
}

static int most_allocations_first(const void *a, const void *b) {
  const struct facts_busy_site *x = a, *y = b;
  const uint64_t p = x->traffic.allocations, q = y->traffic.allocations;
  return p != q ? (p < q) - (p > q) : (x->stack > y->stack) - (x->stack < y->stack);
}

static void sum_up(const struct analysis *analysis, struct facts *facts) {
  const struct small_sums *small = &analysis->small;
  for (uint32_t i = 0; i < analysis->timeline.stacks_limit; i++) {
    const struct facts_traffic traffic = traffic_of(&analysis->timeline.stacks[i]);
    facts_traffic_add(&facts->traffic, &traffic);
  }
  facts->small_traffic = (struct facts_traffic){
      .allocations = small->alloc_count,
      .bytes = small->alloc_bytes,
      .end_blocks = not_negative((int64_t)(small->alloc_count - small->free_count)),
      .end_bytes = not_negative((int64_t)(small->alloc_bytes - small->free_bytes)),
  };
}

int traffic_list(const struct analysis *analysis, struct facts *facts) {
  const struct timeline *timeline = &analysis->timeline;
  const struct saved_history *history = analysis->holders.history;
  bool *busy = calloc(timeline->stacks_limit, sizeof *busy);
  facts->busy_sites = calloc((size_t)ORDERS * TRAFFIC_STACKS + 1, sizeof *facts->busy_sites);
  int rc = busy && facts->busy_sites ? 0 : ERROR_MEMORY;
  if (rc == 0) {
    each_busy(timeline, mark, busy);
  }
  for (uint32_t i = 0; rc == 0 && i < timeline->stacks_limit; i++) {
    if (busy[i]) {
      facts->busy_sites[facts->busy_sites_count++] =
          (struct facts_busy_site){i, history->stacks[i].site, history->stacks[i].op, traffic_of(&timeline->stacks[i])};
    }
  }
  if (rc == 0) {
    qsort(facts->busy_sites, facts->busy_sites_count, sizeof *facts->busy_sites, most_allocations_first);
    sum_up(analysis, facts);
  }
  free(busy);
  return rc;
}
