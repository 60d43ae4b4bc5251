/* Saves, releases and ends of blocks, as the trace tells them. A tensor may have several live holders at once: they are
 * chained from the tensor's entry, the youngest first. */
#include "analyzers/holders.h"

#include "common/error.h"

#include <stdlib.h>

/* Events that a thread may have between a release and the block's end, if that is to be the release's doing: the
 * engine's own allocations, or, inside SavedVariable::reset_data(), what falls with the tensor. */
enum { EVENTS_TO_FREE = 16, EVENTS_TO_FREE_IN_RELEASE = 64 };

int holders_init(struct holders *holders) {
  holders->history = malloc(sizeof *holders->history);
  return holders->history ? saved_history_init(holders->history) : ERROR_MEMORY;
}

void holders_fini(struct holders *holders) {
  saved_history_close(holders->history);
  map64_fini(&holders->tensors);
  map64_fini(&holders->node_classes);
  free(holders->active);
  *holders = (struct holders){0};
}

static int activate(struct holders *holders, uint32_t row) {
  if (holders->active_count == holders->active_capacity) {
    size_t larger = holders->active_capacity ? holders->active_capacity * 2 : 256;
    uint32_t *active = realloc(holders->active, larger * sizeof *active);
    if (!active) {
      return ERROR_MEMORY;
    }
    holders->active = active;
    holders->active_capacity = larger;
  }
  holders->active[holders->active_count++] = row;
  return 0;
}

/* What regions have taken out of a block. */
static uint64_t covered_bytes(const struct holders *holders, const struct block *block) {
  const struct arena *arena = holders->regions->live_count ? regions_arena(holders->regions, block) : NULL;
  return arena ? arena->covered : 0;
}

/* A new row of these bytes of the block, which becomes its current one. NULL: no memory. */
static struct saved_row *row_new(struct holders *holders, struct block *block, uint64_t bytes) {
  struct saved_history *history = holders->history;
  if (history->rows.count >= SAVED_NONE - 1) {
    return NULL;
  }
  struct saved_row *row = spill_push(&history->rows);
  if (!row || activate(holders, (uint32_t)(history->rows.count - 1)) != 0) {
    return NULL;
  }
  *row = (struct saved_row){
      .bytes = bytes,
      .name = "",
      .alloc_event = block->event,
      .alloc_ns = block->time_ns,
      .stack = block->stack,
      .free_event = SAVED_NEVER,
      .free_ns = SAVED_NEVER,
      .first_holder = SAVED_NONE,
      .last_holder = SAVED_NONE,
      .window = holders->window,
      .step = -1,
  };
  if (block->row) {
    struct saved_row *earlier = saved_row_at(history, block->row - 1);
    earlier->superseded = true;
    row->leaf = earlier->leaf;
  }
  block->row = (uint32_t)history->rows.count;
  return row;
}

/* The current row, while somebody holds the block or its step goes on; else NULL. */
static struct saved_row *row_current(const struct holders *holders, const struct block *block) {
  struct saved_row *row = block->row ? saved_row_at(holders->history, block->row - 1) : NULL;
  if (!row || row->resident || row->live_holders) {
    return row;
  }
  return row->window == holders->window && !row->dropped && !row->retired ? row : NULL;
}

/* The row that a save now belongs to. NULL: no memory. */
static struct saved_row *row_of(struct holders *holders, struct block *block) {
  struct saved_row *row = row_current(holders, block);
  return row ? row : row_new(holders, block, block->size - covered_bytes(holders, block));
}

/* The same for a region. */
static struct saved_row *row_of_region(struct holders *holders, uint32_t index) {
  struct region *region = region_at(holders->regions, index);
  struct saved_row *row = row_current(holders, &region->block);
  row = row ? row : row_new(holders, &region->block, region->block.size);
  if (row) {
    row->region = index + 1;
    row->name = region->name;
  }
  return row;
}

static int chain_tensor(struct holders *holders, struct saved_holder *holder, uint32_t index) {
  holder->next_tensor = SAVED_NONE;
  if (!holder->tensor) {
    return 0;
  }
  uint64_t *youngest = map64_put(&holders->tensors, holder->tensor);
  if (!youngest) {
    return ERROR_MEMORY;
  }
  holder->next_tensor = *youngest ? (uint32_t)(*youngest - 1) : SAVED_NONE;
  *youngest = (uint64_t)index + 1;
  return 0;
}

static void append_to_row(struct holders *holders, struct saved_row *row, uint32_t index) {
  if (row->first_holder == SAVED_NONE) {
    row->first_holder = index;
  } else {
    saved_holder_at(holders->history, row->last_holder)->next = index;
  }
  row->last_holder = index;
  row->holders++;
  if (row->live_holders++ == 0 && !row->resident) {
    holders->timeline->saved = timeline_sum(holders->timeline->saved, row->bytes);
  }
}

/* Could less be kept than this holder keeps, once its op has returned? */
static bool is_candidate(const struct holders *holders, const struct saved_holder *holder, bool *saves_result) {
  const uint32_t stack = saved_row_at(holders->history, holder->row)->stack;
  const char *op = op_names_canonical(holders->names, holder->raw_op, holders_node_class(holders, holder));
  return op_is_pointwise(op, saves_result) ||
         op_holds_mask(op, op_names_canonical(holders->names, op_names_of_stack(holders->names, stack, NULL), ""));
}

static int watch_op(struct holders *holders, struct saved_holder *holder, uint32_t index, size_t frame,
                    struct thread_state *thread) {
  bool saves_result = false;
  if (!is_candidate(holders, holder, &saves_result)) {
    return 0;
  }
  size_t count = 0;
  const uint64_t *frames = trace_reader_stack(holders->reader, holder->stack, &count);
  struct op_watch *watch = frame < count ? thread_watch_add(thread) : NULL;
  if (!watch) {
    return frame < count ? ERROR_MEMORY : 0;
  }
  *watch = (struct op_watch){frames[frame], count - frame, index, holder->stack, saves_result ? 2 : 1};
  holder->watched = true;
  return 0;
}

/* As a mark of the save or of its region named it, by its caller's frame, else by the stack. */
static const char *raw_op_of(const struct holders *holders, const struct trace_event *event,
                             const struct region *region, size_t *frame) {
  const char *marked = *event->save.op ? event->save.op : region ? region->op : "";
  if (*marked) {
    *frame = event->save.source == TRACE_SOURCE_MARK ? 0 : SIZE_MAX; /* where the op itself is was not seen */
    return marked;
  }
  return op_names_of_stack(holders->names, event->stack, frame);
}

/* The scope of the save, else that of its region's mark, else the region's own name. */
static const char *layer_of(const struct trace_event *event, const struct region *region) {
  if (*event->save.layer || !region) {
    return event->save.layer;
  }
  return *region->layer ? region->layer : region->name;
}

static int holder_new(struct holders *holders, const struct trace_event *event, uint32_t row_index,
                      struct thread_state *thread) {
  struct saved_history *history = holders->history;
  struct saved_holder *holder = history->holders.count < SAVED_NONE ? spill_push(&history->holders) : NULL;
  if (!holder) {
    return ERROR_MEMORY;
  }
  uint32_t index = (uint32_t)(history->holders.count - 1);
  size_t frame = SIZE_MAX;
  uint32_t region_number = saved_row_at(history, row_index)->region;
  const struct region *region = region_number ? region_at(holders->regions, region_number - 1) : NULL;
  *holder = (struct saved_holder){
      .tensor = event->save.tensor,
      .save_event = holders->timeline->event,
      .save_ns = event->time_ns,
      .release_event = SAVED_NEVER,
      .release_ns = SAVED_NEVER,
      .op_end_event = SAVED_NEVER,
      .row = row_index,
      .window = holders->window,
      .next = SAVED_NONE,
      .stack = event->stack,
      .dtype = event->save.dtype,
      .layer = layer_of(event, region),
      .source = (uint8_t)event->save.source,
      .raw_op = raw_op_of(holders, event, region, &frame),
  };
  append_to_row(holders, saved_row_at(history, row_index), index);
  holders->window_live++;
  int rc = chain_tensor(holders, holder, index);
  return rc != 0 ? rc : watch_op(holders, holder, index, frame, thread);
}

/* Is this variable a live holder of the row already? Then the region was filled anew. */
static const struct saved_holder *live_holder(const struct holders *holders, const struct saved_row *row,
                                              uint64_t tensor) {
  for (uint32_t at = row->first_holder; at != SAVED_NONE;) {
    const struct saved_holder *holder = saved_holder_at(holders->history, at);
    if (holder->tensor == tensor && holder->release_event == SAVED_NEVER) {
      return holder;
    }
    at = holder->next;
  }
  return NULL;
}

/* What a region held is gone when it is saved again by the same op. */
static int refill_region(struct holders *holders, const struct region *region, const struct trace_event *event) {
  struct saved_row *row = region->block.row ? saved_row_at(holders->history, region->block.row - 1) : NULL;
  const struct saved_holder *earlier = row && !row->resident ? live_holder(holders, row, event->save.tensor) : NULL;
  if (!earlier) {
    return 0;
  }
  row->dropped = row->window == holders->window;
  holders->refilled = row->dropped ? earlier->save_event : 0;
  return holders_end_all(holders, region->block.row - 1, event->time_ns);
}

static struct saved_row *row_of_save(struct holders *holders, const struct trace_event *event, uint32_t *index,
                                     int *rc) {
  uint32_t number = regions_find(holders->regions, event->save.data);
  struct region *region = number == REGION_NONE ? NULL : region_at(holders->regions, number);
  struct block *block = region ? &region->block : blocks_containing(holders->blocks, event->save.data);
  holders->refilled = 0;
  *rc = region ? refill_region(holders, region, event) : 0;
  if (!block || *rc != 0) { /* in a small block, or not on the heap */
    holders->stray_marks += !block && event->save.source == TRACE_SOURCE_MARK &&
                            event->save.bytes >= trace_reader_info(holders->reader)->min_size;
    return NULL;
  }
  struct saved_row *row = region ? row_of_region(holders, number) : row_of(holders, block);
  *rc = row ? 0 : ERROR_MEMORY;
  *index = block->row - 1;
  return row;
}

/* Bytes given for elements would have codes of more than there is. A tensor of PyTorch may well have more elements than its
 * storage has room for: an expanded view. */
static uint64_t elements_of(struct holders *holders, const struct trace_event *event, const struct saved_row *row) {
  const uint64_t elements = event->save.elements, size = elements ? event->save.bytes / elements : 0;
  const struct block *block = row->region ? &region_at(holders->regions, row->region - 1)->block
                                          : blocks_containing(holders->blocks, event->save.data);
  if (event->save.source != TRACE_SOURCE_MARK || !size || !block) {
    return elements;
  }
  const uint64_t room = (block->address + block->size - event->save.data) / size;
  holders->oversized_marks += elements > room;
  return elements < room ? elements : room;
}

int holders_save(struct holders *holders, const struct trace_event *event, struct thread_state *thread) {
  uint32_t index = SAVED_NONE;
  int rc;
  struct saved_row *row = row_of_save(holders, event, &index, &rc);
  if (!row) {
    return rc;
  }
  const unsigned source = event->save.source;
  holders->sources[source < SAVED_SOURCES ? source : 0]++;
  if (row->resident) {
    return 0;
  }
  const uint64_t elements = elements_of(holders, event, row);
  row->elements = elements > row->elements ? elements : row->elements;
  return holder_new(holders, event, index, thread);
}

static void unchain_tensor(struct holders *holders, const struct saved_holder *holder, uint32_t index) {
  uint64_t *youngest = map64_find(&holders->tensors, holder->tensor);
  if (!youngest) {
    return;
  }
  if (*youngest == (uint64_t)index + 1) {
    *youngest = holder->next_tensor == SAVED_NONE ? 0 : (uint64_t)holder->next_tensor + 1;
  } else {
    struct saved_holder *at = saved_holder_at(holders->history, (uint32_t)(*youngest - 1));
    while (at->next_tensor != index && at->next_tensor != SAVED_NONE) {
      at = saved_holder_at(holders->history, at->next_tensor);
    }
    at->next_tensor = at->next_tensor == index ? holder->next_tensor : at->next_tensor;
  }
  if (!*youngest) {
    map64_remove(&holders->tensors, holder->tensor);
  }
}

static int holder_end(struct holders *holders, uint32_t index, uint64_t time_ns) {
  struct saved_holder *holder = saved_holder_at(holders->history, index);
  struct saved_row *row = saved_row_at(holders->history, holder->row);
  holder->release_event = holders->timeline->event;
  holder->release_ns = time_ns;
  unchain_tensor(holders, holder, index);
  if (--row->live_holders == 0 && !row->resident) {
    holders->timeline->saved = timeline_sum(holders->timeline->saved, -row->bytes);
  }
  holders->window_live -= holder->window == holders->window;
  return holder->watched ? timeline_cut(holders->timeline) : 0;
}

/* The youngest live holder of the tensor whose op agrees with the node's class, else the youngest. */
static uint32_t pick_holder(const struct holders *holders, uint64_t tensor, const char *node_class) {
  const uint64_t *youngest = map64_find(&holders->tensors, tensor);
  if (!youngest) {
    return SAVED_NONE;
  }
  for (uint32_t at = (uint32_t)(*youngest - 1); at != SAVED_NONE && *node_class;) {
    const struct saved_holder *holder = saved_holder_at(holders->history, at);
    if (op_names_agree(holder->raw_op, node_class)) {
      return at;
    }
    at = holder->next_tensor;
  }
  return (uint32_t)(*youngest - 1);
}

static uint64_t save_place(const struct holders *holders, const struct saved_holder *holder) {
  size_t count = 0;
  const uint64_t *frames = trace_reader_stack(holders->reader, holder->stack, &count);
  return count ? frames[0] : 0;
}

static int learn_class(struct holders *holders, struct saved_holder *holder, const char *node_class) {
  uint64_t place = save_place(holders, holder);
  holder->node_class = node_class;
  if (!place || !op_names_agree(holder->raw_op, node_class)) {
    return 0;
  }
  uint64_t *learned = map64_put(&holders->node_classes, place);
  if (!learned) {
    return ERROR_MEMORY;
  }
  *learned = (uint64_t)(uintptr_t)node_class;
  return 0;
}

const char *holders_node_class(const struct holders *holders, const struct saved_holder *holder) {
  if (holder->node_class) {
    return holder->node_class;
  }
  const uint64_t *learned = map64_find(&holders->node_classes, save_place(holders, holder));
  return learned ? (const char *)(uintptr_t)*learned : "";
}

int holders_release(struct holders *holders, const struct trace_event *event, const struct thread_state *thread) {
  const char *node_class = event->release.node_type ? op_names_class(holders->names, event->release.node_type) : "";
  uint32_t index = pick_holder(holders, event->release.tensor, node_class);
  if (index == SAVED_NONE) {
    return 0;
  }
  struct saved_holder *holder = saved_holder_at(holders->history, index);
  holder->released = true;
  holder->released_in_backward = holders->in_backward;
  holder->release_tid = thread->tid;
  holder->release_count = thread->events;
  int rc = *node_class ? learn_class(holders, holder, node_class) : 0;
  return rc != 0 ? rc : holder_end(holders, index, event->time_ns);
}

static bool freed_with_release(const struct holders *holders, const struct saved_row *row,
                               const struct trace_event *event, const struct thread_state *thread) {
  if (row->last_holder == SAVED_NONE) {
    return false;
  }
  const struct saved_holder *last = saved_holder_at(holders->history, row->last_holder);
  if (last->released_in_backward && !holders->in_backward) {
    return false; /* what outlives the backward pass is kept by the program */
  }
  uint64_t near = event->in_release ? EVENTS_TO_FREE_IN_RELEASE : EVENTS_TO_FREE;
  return last->released && last->release_tid == thread->tid && thread->events - last->release_count <= near;
}

int holders_block_end(struct holders *holders, const struct block *block, const struct trace_event *event,
                      const struct thread_state *thread) {
  struct saved_row *row = saved_row_at(holders->history, block->row - 1);
  row->free_event = holders->timeline->event;
  row->free_ns = event->time_ns;
  row->freed_in_backward = holders->in_backward;
  row->freed_with_release = freed_with_release(holders, row, event, thread);
  return holders_end_all(holders, block->row - 1, event->time_ns);
}

int holders_end_all(struct holders *holders, uint32_t index, uint64_t time_ns) {
  int rc = 0;
  for (uint32_t at = saved_row_at(holders->history, index)->first_holder; at != SAVED_NONE && rc == 0;) {
    const struct saved_holder *holder = saved_holder_at(holders->history, at);
    uint32_t next = holder->next;
    if (holder->watched) {
      rc = timeline_cut(holders->timeline);
    }
    if (rc == 0 && holder->release_event == SAVED_NEVER) {
      rc = holder_end(holders, at, time_ns);
    }
    at = next;
  }
  return rc;
}

/* Takes the held stretches of a row out of the timeline's saved bytes. */
static void uncount_row(struct holders *holders, const struct saved_row *row) {
  if (row->live_holders) {
    holders->timeline->saved = timeline_sum(holders->timeline->saved, -row->bytes);
  }
  uint64_t until = 0; /* the holders come in order of saving: count each moment once */
  for (uint32_t at = row->first_holder; at != SAVED_NONE;) {
    const struct saved_holder *holder = saved_holder_at(holders->history, at);
    uint64_t from = holder->save_ns > until ? holder->save_ns : until;
    uint64_t to = holder->release_event == SAVED_NEVER ? holders->timeline->time_ns + 1 : holder->release_ns;
    if (to > from) {
      timeline_unsave(holders->timeline, row->bytes, from, to);
      until = to;
    }
    at = holder->next;
  }
}

void holders_make_resident(struct holders *holders, struct saved_row *row) {
  if (!row->resident) {
    uncount_row(holders, row);
    row->resident = true;
  }
}

int holders_resident(struct holders *holders, const struct trace_event *event) {
  uint32_t region = regions_find(holders->regions, event->resident.data);
  struct block *block = region == REGION_NONE ? blocks_containing(holders->blocks, event->resident.data) : NULL;
  if (!block && region == REGION_NONE) {
    return 0;
  }
  struct saved_row *row = block ? row_of(holders, block) : row_of_region(holders, region);
  if (!row) {
    return ERROR_MEMORY;
  }
  if (event->resident.role == TRACE_ROLE_PARAMETER && !*event->resident.name) {
    row->leaf = true;
    return 0;
  }
  holders->parameters_named = holders->parameters_named || event->resident.role == TRACE_ROLE_PARAMETER;
  holders_make_resident(holders, row);
  return 0;
}

void holders_finish(struct holders *holders) {
  for (uint32_t i = 0; i < holders->history->rows.count && !holders->parameters_named; i++) {
    struct saved_row *row = saved_row_at(holders->history, i);
    if (row->leaf) {
      holders_make_resident(holders, row);
    }
  }
}
