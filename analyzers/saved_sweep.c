/* The moment of a step at which most bytes are saved: a sweep over the beginnings and ends of its rows' held
 * intervals. */
#include "analyzers/holders.h"

#include "common/error.h"

#include <stdlib.h>

struct edge {
  uint64_t event;
  int64_t bytes; /* positive: the row becomes held */
};

struct edges {
  struct edge *items;
  size_t count, capacity;
};

static int edge_add(struct edges *edges, uint64_t event, uint64_t bytes) {
  if (edges->count == edges->capacity) {
    size_t larger = edges->capacity ? edges->capacity * 2 : 1024;
    struct edge *items = realloc(edges->items, larger * sizeof *items);
    if (!items) {
      return ERROR_MEMORY;
    }
    edges->items = items;
    edges->capacity = larger;
  }
  edges->items[edges->count++] = (struct edge){event, (int64_t)bytes};
  return 0;
}

struct row_edges {
  struct edges *edges;
  uint64_t bytes;
};

static int add_stretch(void *context, uint64_t from, uint64_t to) {
  const struct row_edges *row = context;
  int rc = edge_add(row->edges, from, row->bytes);
  return rc == 0 ? edge_add(row->edges, to, -row->bytes) : rc;
}

static int add_row(struct edges *edges, const struct saved_history *history, const struct saved_row *row) {
  return saved_row_each_stretch(history, row, add_stretch, &(struct row_edges){edges, row->bytes});
}

static int by_event(const void *a, const void *b) {
  const struct edge *x = a, *y = b;
  return (x->event > y->event) - (x->event < y->event);
}

static void find_maximum(const struct edges *edges, uint64_t from, uint64_t to, struct saved_maximum *maximum) {
  int64_t held = 0, most = 0;
  for (size_t i = 0; i < edges->count && edges->items[i].event <= to; i++) {
    held = timeline_sum(held, (uint64_t)edges->items[i].bytes);
    bool last_of_event = i + 1 == edges->count || edges->items[i + 1].event != edges->items[i].event;
    bool last_before = i + 1 == edges->count || edges->items[i + 1].event > from;
    if (last_of_event && held > most && (edges->items[i].event >= from || last_before)) {
      most = held;
      maximum->event = edges->items[i].event > from ? edges->items[i].event : from;
    }
  }
  maximum->bytes = (uint64_t)most;
}

static void assign_step(struct holders *holders, int32_t step, uint64_t from, uint64_t to) {
  for (size_t i = 0; i < holders->active_count; i++) {
    struct saved_row *row = saved_row_at(holders->history, holders->active[i]);
    if (row->step < 0 && row->first_holder != SAVED_NONE && !row->dropped) {
      uint64_t saved = saved_holder_at(holders->history, row->first_holder)->save_event;
      row->step = saved >= from && saved <= to ? step : -1;
    }
  }
}

static int list_held(struct holders *holders, int32_t step, struct saved_maximum *maximum) {
  maximum->rows = malloc((holders->active_count + 1) * sizeof *maximum->rows);
  if (!maximum->rows) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < holders->active_count; i++) {
    struct saved_row *row = saved_row_at(holders->history, holders->active[i]);
    if (!row->resident && !row->dropped && saved_row_held_at(holders->history, row, maximum->event)) {
      row->at_saved_peak = row->at_saved_peak || row->step == step;
      maximum->rows[maximum->blocks++] = holders->active[i];
    }
  }
  return 0;
}

/* Did the block live before the step, or does it still where the next one is under way? */
static bool outlasts(const struct saved_row *row, const struct saved_span *span) {
  bool still_there = span->followed && row->alloc_event <= span->to && row->free_event == SAVED_NEVER;
  return row->alloc_event < span->previous_end || row->superseded || still_there;
}

static void settle_leaves(struct holders *holders, const struct saved_span *span) {
  for (size_t i = 0; i < holders->active_count; i++) {
    struct saved_row *row = saved_row_at(holders->history, holders->active[i]);
    if (row->leaf && (!holders->parameters_named || outlasts(row, span))) {
      holders_make_resident(holders, row);
    }
  }
}

int holders_sweep(struct holders *holders, int32_t step, const struct saved_span *span, struct saved_maximum *maximum) {
  struct edges edges = {0};
  int rc = 0;
  *maximum = (struct saved_maximum){0};
  settle_leaves(holders, span);
  assign_step(holders, step, span->from, span->to);
  for (size_t i = 0; i < holders->active_count && rc == 0; i++) {
    const struct saved_row *row = saved_row_at(holders->history, holders->active[i]);
    rc = row->resident || row->dropped ? 0 : add_row(&edges, holders->history, row);
  }
  if (rc == 0 && edges.count) {
    qsort(edges.items, edges.count, sizeof *edges.items, by_event);
    find_maximum(&edges, span->from, span->to, maximum);
    rc = list_held(holders, step, maximum);
  }
  free(edges.items);
  return rc;
}

void holders_retire(struct holders *holders, uint64_t next_step_event) {
  size_t kept = 0;
  for (size_t i = 0; i < holders->active_count; i++) {
    struct saved_row *row = saved_row_at(holders->history, holders->active[i]);
    bool later = row->last_holder != SAVED_NONE &&
                 saved_holder_at(holders->history, row->last_holder)->save_event >= next_step_event;
    if (row->live_holders || later) {
      holders->active[kept++] = holders->active[i];
    } else {
      row->retired = true;
    }
  }
  holders->active_count = kept;
}
