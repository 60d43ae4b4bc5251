/* Two events lie in one phase if no edge of a step's phases lies between them: counts edges up to an event. */
#include "analyzers/lasting.h"

#include "analyzers/lifetimes.h"
#include "analyzers/map64.h"
#include "common/error.h"

#include <stdlib.h>

struct row_of_block {
  uint64_t alloc_event; /* of the heap block */
  uint32_t row;
};

struct search {
  struct lasting *lasting;
  struct stack_traits *traits;
  const struct steps *steps;
  struct map64 parameter_sizes; /* the keys */
  uint64_t *edges;              /* events at which a phase of a step begins or a step ends, ascending */
  size_t edges_count;
  uint32_t stacks_limit;
};

static const struct row_of_block *row_at(const struct lasting *lasting, size_t index) {
  return spill_at(&lasting->rows, index);
}

uint32_t lasting_row(const struct lasting *lasting, const struct lasting_block *block, uint32_t index) {
  return row_at(lasting, block->first_row + index)->row;
}

static int compare_u64(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static int list_edges(struct search *search, const struct steps *steps) {
  search->edges = malloc((4 * steps->count + 1) * sizeof *search->edges);
  if (!search->edges) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < steps->count; i++) {
    const struct step *step = &steps->items[i];
    const uint64_t edges[] = {step->begin_event, step->backward_event, step->backward_end_event, step->end_event};
    for (size_t e = 0; e < 4; e++) {
      search->edges[search->edges_count++] = edges[e];
    }
  }
  qsort(search->edges, search->edges_count, sizeof *search->edges, compare_u64);
  return 0;
}

static int by_block(const void *a, const void *b) {
  const struct row_of_block *x = a, *y = b;
  return x->alloc_event != y->alloc_event ? (x->alloc_event > y->alloc_event) - (x->alloc_event < y->alloc_event)
                                          : (x->row > y->row) - (x->row < y->row);
}

static int list_rows(struct lasting *lasting, const struct saved_history *history, const struct regions *regions,
                     struct map64 *parameter_sizes) {
  for (uint32_t i = 0; i < history->rows.count; i++) {
    const struct saved_row *row = saved_row_at(history, i);
    struct row_of_block *entry = spill_push(&lasting->rows);
    if (!entry) {
      return ERROR_MEMORY;
    }
    const struct arena *arena = row->region ? arena_at(regions, region_at(regions, row->region - 1)->arena) : NULL;
    if (row->resident && row->bytes && !map64_put(parameter_sizes, row->bytes)) {
      return ERROR_MEMORY;
    }
    *entry = (struct row_of_block){arena ? arena->alloc_event : row->alloc_event, i};
  }
  qsort(lasting->rows.base, lasting->rows.count, lasting->rows.item_size, by_block);
  return 0;
}

/* The first of an ascending array that is not below the event. */
static size_t first_edge(const struct search *search, uint64_t event) {
  size_t low = 0, high = search->edges_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (search->edges[middle] < event) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static size_t first_row(const struct lasting *lasting, uint64_t alloc_event) {
  size_t low = 0, high = lasting->rows.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (row_at(lasting, middle)->alloc_event < alloc_event) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static bool is_added(const struct search *search, const struct lifetime *lifetime) {
  enum { WANTED = STACK_OF_TENSOR | STACK_IN_BACKWARD };
  int step;
  return map64_find(&search->parameter_sizes, lifetime->bytes) &&
         (stack_traits_of(search->traits, lifetime->alloc_stack) & WANTED) == WANTED &&
         steps_phase_at(search->steps, lifetime->alloc_event, &step) == PHASE_BACKWARD;
}

static int visit_passing(const struct search *search, const struct lifetime *lifetime) {
  if (!is_added(search, lifetime)) {
    return 0;
  }
  struct lasting_added *added = spill_push(&search->lasting->added);
  if (!added) {
    return ERROR_MEMORY;
  }
  *added = (struct lasting_added){lifetime->bytes, lifetime->alloc_event, lifetime->free_event, lifetime->alloc_stack};
  return 0;
}

static int visit(void *context, const struct lifetime *lifetime) {
  struct search *search = context;
  struct lasting *lasting = search->lasting;
  size_t edge = first_edge(search, lifetime->alloc_event + 1);
  const bool outlives = edge < search->edges_count && search->edges[edge] <= lifetime->free_event;
  size_t row = first_row(lasting, lifetime->alloc_event), end = row;
  while (end < lasting->rows.count && row_at(lasting, end)->alloc_event == lifetime->alloc_event) {
    end++;
  }
  const bool in_teardown = stack_traits_of(search->traits, lifetime->free_stack) & STACK_IN_TEARDOWN;
  if (!outlives && !in_teardown && row == end) {
    return visit_passing(search, lifetime);
  }
  struct lasting_block *block = spill_push(&lasting->blocks);
  if (!block) {
    return ERROR_MEMORY;
  }
  *block = (struct lasting_block){.bytes = lifetime->bytes,
                                  .alloc_event = lifetime->alloc_event,
                                  .free_event = lifetime->free_event,
                                  .stack = lifetime->alloc_stack < search->stacks_limit ? lifetime->alloc_stack : 0,
                                  .in_teardown = in_teardown,
                                  .first_row = (uint32_t)row,
                                  .rows_count = (uint32_t)(end - row)};
  return 0;
}

static int added_by_alloc(const void *a, const void *b) {
  const struct lasting_added *x = a, *y = b;
  return (x->alloc_event > y->alloc_event) - (x->alloc_event < y->alloc_event);
}

static int by_alloc(const void *a, const void *b) {
  const struct lasting_block *x = a, *y = b;
  return (x->alloc_event > y->alloc_event) - (x->alloc_event < y->alloc_event);
}

int lasting_find(struct lasting *lasting, struct trace_reader *reader, struct stack_traits *traits,
                 const struct steps *steps, const struct saved_history *history, const struct regions *regions) {
  struct search search = {
      .lasting = lasting, .traits = traits, .steps = steps, .stacks_limit = trace_reader_stack_limit(reader)};
  const struct lifetimes_visitor visitor = {.context = &search, .ends = visit};
  *lasting = (struct lasting){0};
  int rc = spill_open(&lasting->blocks, sizeof(struct lasting_block));
  rc = rc == 0 ? spill_open(&lasting->added, sizeof(struct lasting_added)) : rc;
  rc = rc == 0 ? spill_open(&lasting->rows, sizeof(struct row_of_block)) : rc;
  rc = rc == 0 ? list_edges(&search, steps) : rc;
  rc = rc == 0 ? list_rows(lasting, history, regions, &search.parameter_sizes) : rc;
  rc = rc == 0 && search.edges_count + lasting->rows.count ? lifetimes_each(reader, &visitor) : rc;
  if (rc == 0) {
    qsort(lasting->blocks.base, lasting->blocks.count, lasting->blocks.item_size, by_alloc);
    qsort(lasting->added.base, lasting->added.count, lasting->added.item_size, added_by_alloc);
  }
  map64_fini(&search.parameter_sizes);
  free(search.edges);
  return rc;
}

void lasting_fini(struct lasting *lasting) {
  spill_fini(&lasting->blocks);
  spill_fini(&lasting->added);
  spill_fini(&lasting->rows);
}
