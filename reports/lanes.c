/* Greedy colouring of intervals with two heaps: lanes in use by their end, free lanes by their number. */
#include "reports/lanes.h"

#include "common/error.h"

#include <stdlib.h>

struct heap { /* of lanes, the least key first */
  struct heap_item {
    uint64_t key;
    uint32_t lane;
  } * items;
  size_t count;
};

static void swap(struct heap_item *a, struct heap_item *b) {
  struct heap_item kept = *a;
  *a = *b;
  *b = kept;
}

static void heap_push(struct heap *heap, uint64_t key, uint32_t lane) {
  size_t at = heap->count++;
  heap->items[at] = (struct heap_item){key, lane};
  while (at > 0 && heap->items[(at - 1) / 2].key > heap->items[at].key) {
    swap(&heap->items[(at - 1) / 2], &heap->items[at]);
    at = (at - 1) / 2;
  }
}

static uint32_t heap_pop(struct heap *heap) {
  uint32_t lane = heap->items[0].lane;
  heap->items[0] = heap->items[--heap->count];
  for (size_t at = 0, child; (child = 2 * at + 1) < heap->count; at = child) {
    child += child + 1 < heap->count && heap->items[child + 1].key < heap->items[child].key;
    if (heap->items[at].key <= heap->items[child].key) {
      break;
    }
    swap(&heap->items[at], &heap->items[child]);
  }
  return lane;
}

static int by_begin(const void *a, const void *b) {
  const struct lane_interval *x = *(struct lane_interval *const *)a, *y = *(struct lane_interval *const *)b;
  return x->begin != y->begin ? (x->begin > y->begin) - (x->begin < y->begin) : (x > y) - (x < y);
}

static uint32_t assign_sorted(struct lane_interval **order, size_t count, struct heap *busy, struct heap *idle) {
  uint32_t lanes = 0;
  for (size_t i = 0; i < count; i++) {
    while (busy->count && busy->items[0].key <= order[i]->begin) {
      uint32_t lane = heap_pop(busy);
      heap_push(idle, lane, lane);
    }
    order[i]->lane = idle->count ? heap_pop(idle) : lanes++;
    heap_push(busy, order[i]->end, order[i]->lane);
  }
  return lanes;
}

int lanes_assign(struct lane_interval *intervals, size_t count, uint32_t *lanes) {
  struct lane_interval **order = malloc((count + 1) * sizeof *order);
  struct heap busy = {malloc((count + 1) * sizeof *busy.items), 0},
              idle = {malloc((count + 1) * sizeof *idle.items), 0};
  int rc = order && busy.items && idle.items ? 0 : ERROR_MEMORY;
  for (size_t i = 0; i < count && rc == 0; i++) {
    order[i] = &intervals[i];
  }
  if (rc == 0) {
    qsort(order, count, sizeof(struct lane_interval *), by_begin);
    *lanes = assign_sorted(order, count, &busy, &idle);
  }
  free(order);
  free(busy.items);
  free(idle.items);
  return rc;
}
