/* Every function here is one walk over the edges of runs. */
#include "analyzers/infer_climb.h"

#include "common/error.h"

#include <stdbool.h>
#include <stdlib.h>

struct edge {
  uint32_t run;
  bool ends;
};

static struct edge edge_at(const struct infer_runs *runs, size_t index) {
  const uint32_t *edge = spill_at(&runs->edges, index);
  return (struct edge){*edge / 2, *edge % 2};
}

static bool counts(const struct infer_runs *runs, const struct infer_run *run, uint32_t pattern) {
  const struct infer_kind *kind = infer_kind_of(runs, run);
  return kind->pattern == pattern && (pattern || !kind->dropped);
}

static uint32_t place_of(const struct infer_run *run, struct edge edge) {
  return edge.ends ? run->end : run->begin;
}

/* A hash of what a run stands for, to be summed up. */
static uint64_t hash_of(const struct infer_run *run) {
  uint64_t hash = (((uint64_t)run->kind << 32 | run->blocks) + 1) * 0x9e3779b97f4a7c15u;
  hash = (hash ^ hash >> 31) * 0xbf58476d1ce4e5b9u;
  return hash ^ hash >> 29;
}

uint64_t infer_climb_highest(const struct infer_runs *runs, uint32_t pattern) {
  uint64_t level = 0, highest = 0;
  for (size_t i = 0; i < runs->edges.count; i++) {
    const struct edge edge = edge_at(runs, i);
    const struct infer_run *run = infer_run_at(runs, edge.run);
    if (counts(runs, run, pattern)) {
      level += edge.ends ? -infer_run_weight(runs, run) : infer_run_weight(runs, run);
      highest = level > highest ? level : highest;
    }
  }
  return highest;
}

static int push_turn(struct spill *turns, const struct infer_turn *turn) {
  struct infer_turn *entry = spill_push(turns);
  if (!entry) {
    return ERROR_MEMORY;
  }
  *entry = *turn;
  return 0;
}

int infer_climb_turns(const struct infer_runs *runs, uint32_t pattern, uint64_t threshold, struct spill *turns) {
  struct infer_turn now = {.pattern = pattern}, best = {0};
  int rc = 0;
  for (size_t i = 0; i < runs->edges.count && rc == 0; i++) {
    const struct edge edge = edge_at(runs, i);
    const struct infer_run *run = infer_run_at(runs, edge.run);
    if (!counts(runs, run, pattern)) {
      continue;
    }
    now.place = place_of(run, edge);
    now.level += edge.ends ? -infer_run_weight(runs, run) : infer_run_weight(runs, run);
    now.hash += edge.ends ? -hash_of(run) : hash_of(run);
    if (now.level >= threshold && now.level > best.level) {
      best = now;
    } else if (now.level < threshold && best.level) {
      rc = push_turn(turns, &best);
      best.level = 0;
    }
  }
  return rc;
}

struct over { /* runs that lie over the place of a walk */
  uint32_t *items;
  size_t count, capacity;
};

static int over_add(struct over *over, struct infer_run *run, uint32_t number) {
  if (over->count == over->capacity) {
    size_t larger = over->capacity ? over->capacity * 2 : 256;
    uint32_t *items = realloc(over->items, larger * sizeof *items);
    if (!items) {
      return ERROR_MEMORY;
    }
    over->items = items;
    over->capacity = larger;
  }
  run->slot = (uint32_t)over->count;
  over->items[over->count++] = number;
  return 0;
}

static void over_remove(struct over *over, const struct infer_runs *runs, const struct infer_run *run) {
  if (run->slot >= over->count) {
    return; /* its beginning did not count */
  }
  const uint32_t last = over->items[--over->count];
  over->items[run->slot] = last;
  infer_run_at(runs, last)->slot = run->slot;
}

static int over_step(struct over *over, const struct infer_runs *runs, struct edge edge) {
  struct infer_run *run = infer_run_at(runs, edge.run);
  if (edge.ends) {
    over_remove(over, runs, run);
    return 0;
  }
  return over_add(over, run, edge.run);
}

int infer_climb_over(const struct infer_runs *runs, uint32_t pattern, const uint32_t *places, size_t count,
                     int (*visit)(void *context, size_t index, const uint32_t *over, size_t over_count),
                     void *context) {
  struct over over = {0};
  size_t next = 0;
  int rc = 0;
  for (size_t i = 0; i < runs->edges.count && next < count && rc == 0; i++) {
    const struct edge edge = edge_at(runs, i);
    const struct infer_run *run = infer_run_at(runs, edge.run);
    while (next < count && place_of(run, edge) > places[next] && rc == 0) {
      rc = visit(context, next, over.items, over.count);
      next++;
    }
    if (rc == 0 && counts(runs, run, pattern)) {
      rc = over_step(&over, runs, edge);
    }
  }
  for (; next < count && rc == 0; next++) {
    rc = visit(context, next, over.items, over.count);
  }
  free(over.items);
  return rc;
}
