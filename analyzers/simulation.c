/* Changes are sorted by their events and added to the level as these come. */
#include "analyzers/simulation.h"

#include "analyzers/lifetimes.h"
#include "common/error.h"

#include <stdlib.h>

/* Sums wrap rather than overflow: a store, or a damaged trace, may hold any numbers. */
static int64_t plus(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int by_event(const void *a, const void *b) {
  const struct level_change *x = a, *y = b;
  return (x->event > y->event) - (x->event < y->event);
}

/* peak = max over segments of L + D: L the highest live bytes within the segment, D the changes up to its beginning. */
int64_t simulation_of_segments(const struct facts_segment *segments, size_t segments_count,
                               struct level_change *changes, size_t changes_count, int64_t *differences) {
  int64_t peak = 0, difference = 0;
  size_t next = 0;
  if (changes_count) {
    qsort(changes, changes_count, sizeof *changes, by_event);
  }
  for (size_t i = 0; i < segments_count; i++) {
    for (; next < changes_count && changes[next].event <= segments[i].event; next++) {
      difference = plus(difference, changes[next].bytes);
    }
    int64_t level = plus(segments[i].peak_bytes, difference);
    peak = level > peak ? level : peak;
    if (differences) {
      differences[i] = difference;
    }
  }
  return peak;
}

int scenario_init(struct scenario *scenario, uint64_t peak_event) {
  *scenario = (struct scenario){.peak_event = peak_event};
  return spill_open(&scenario->changes, sizeof(struct level_change));
}

void scenario_fini(struct scenario *scenario) {
  spill_fini(&scenario->changes);
}

static int add_change(struct scenario *scenario, uint64_t event, int64_t bytes) {
  struct level_change *change = spill_push(&scenario->changes);
  if (!change) {
    return ERROR_MEMORY;
  }
  *change = (struct level_change){event, bytes};
  return 0;
}

static int change_between(struct scenario *scenario, int64_t bytes, uint64_t from, uint64_t to) {
  if (from >= to || bytes == 0) {
    return 0;
  }
  int rc = add_change(scenario, from, bytes);
  return rc == 0 ? add_change(scenario, to, (int64_t) - (uint64_t)bytes) : rc;
}

int scenario_take(struct scenario *scenario, uint64_t bytes, uint64_t from, uint64_t to) {
  return change_between(scenario, (int64_t)-bytes, from, to);
}

int scenario_leave(struct scenario *scenario, uint64_t bytes, uint64_t from, uint64_t to) {
  return change_between(scenario, (int64_t)bytes, from, to);
}

/* ---- a reading of the trace -------------------------------------------------------------------------------------- */

struct simulation {
  struct scenario *scenarios;
  size_t count;
  struct scenario_groups *groups;
  uint64_t next_event; /* at which some scenario changes */
  int64_t lowest_peak; /* of all scenarios so far: no level below it matters, since none is above the recorded one */
};

static struct scenario_group *group_of(const struct simulation *simulation, uint32_t stack) {
  struct scenario_groups *groups = simulation->groups;
  uint8_t number = stack < groups->stacks_limit ? groups->of_stack[stack] : 0;
  return number ? &groups->items[number - 1] : NULL;
}

static int begins(void *context, const struct lifetime *lifetime) {
  struct simulation *simulation = context;
  struct scenario_group *group = group_of(simulation, lifetime->alloc_stack);
  if (!group) {
    return 0;
  }
  uint64_t taken = lifetime->bytes;
  if (group->one_at_a_time && lifetime->bytes > group->left_bytes) {
    taken = group->left_bytes;
    group->left = lifetime->address;
    group->left_bytes = lifetime->bytes;
  }
  struct scenario *scenario = &simulation->scenarios[group->scenario];
  scenario->difference = plus(scenario->difference, (int64_t)-taken);
  return 0;
}

static int ends(void *context, const struct lifetime *lifetime) {
  struct simulation *simulation = context;
  struct scenario_group *group = group_of(simulation, lifetime->alloc_stack);
  if (!group) {
    return 0;
  }
  if (group->left_bytes && group->left == lifetime->address) {
    group->left_bytes = 0;
    return 0;
  }
  struct scenario *scenario = &simulation->scenarios[group->scenario];
  scenario->difference = plus(scenario->difference, (int64_t)lifetime->bytes);
  return 0;
}

static const struct level_change *next_change(const struct scenario *scenario) {
  return scenario->next < scenario->changes.count ? spill_at(&scenario->changes, scenario->next) : NULL;
}

static void advance(struct scenario *scenario, uint64_t event, int64_t live) {
  const struct level_change *change;
  while ((change = next_change(scenario)) && change->event <= event) {
    scenario->difference = plus(scenario->difference, change->bytes);
    scenario->next++;
  }
  int64_t level = plus(live, scenario->difference);
  scenario->peak = level > scenario->peak ? level : scenario->peak;
  if (event == scenario->peak_event) {
    scenario->bytes = scenario->difference < 0 ? (uint64_t)-scenario->difference : 0;
  }
}

static int settled(void *context, uint64_t event, int64_t live) {
  struct simulation *simulation = context;
  if (event < simulation->next_event && live <= simulation->lowest_peak) {
    return 0;
  }
  simulation->next_event = UINT64_MAX;
  simulation->lowest_peak = INT64_MAX;
  for (size_t i = 0; i < simulation->count; i++) {
    struct scenario *scenario = &simulation->scenarios[i];
    advance(scenario, event, live);
    const struct level_change *change = next_change(scenario);
    uint64_t next = event < scenario->peak_event ? scenario->peak_event : UINT64_MAX;
    next = change && change->event < next ? change->event : next;
    simulation->next_event = next < simulation->next_event ? next : simulation->next_event;
    simulation->lowest_peak = scenario->peak < simulation->lowest_peak ? scenario->peak : simulation->lowest_peak;
  }
  return 0;
}

int simulation_of_trace(struct trace_reader *reader, struct scenario *scenarios, size_t count,
                        struct scenario_groups *groups) {
  struct simulation simulation = {.scenarios = scenarios, .count = count, .groups = groups, .lowest_peak = INT64_MIN};
  const struct lifetimes_visitor visitor = {&simulation, begins, ends, settled};
  for (size_t i = 0; i < count; i++) {
    struct spill *changes = &scenarios[i].changes;
    scenarios[i].next = 0;
    scenarios[i].difference = scenarios[i].peak = 0;
    qsort(changes->base, changes->count, changes->item_size, by_event);
  }
  return lifetimes_each(reader, &visitor);
}
