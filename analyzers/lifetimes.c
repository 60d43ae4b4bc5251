/* Replays allocations and frees alone. Events are numbered as analyze.c numbers them. */
#include "analyzers/lifetimes.h"

#include "analyzers/blocks.h"

struct replay {
  struct blocks blocks; /* block->row is the thread that allocated */
  uint64_t event;
  int (*visit)(void *context, const struct lifetime *lifetime);
  void *context;
};

static struct lifetime lifetime_of(const struct block *block) {
  return (struct lifetime){
      .address = block->address,
      .bytes = block->size,
      .alloc_event = block->event,
      .free_event = LIFETIME_NEVER,
      .alloc_ns = block->time_ns,
      .free_ns = LIFETIME_NEVER,
      .alloc_stack = block->stack,
      .alloc_tid = block->row,
  };
}

static int block_ends(struct replay *replay, struct block *block, const struct trace_event *event) {
  struct lifetime lifetime = lifetime_of(block);
  lifetime.free_event = replay->event;
  lifetime.free_ns = event->time_ns;
  lifetime.free_tid = event->tid;
  if (event->kind == TRACE_FREE) {
    lifetime.free_stack = event->stack;
    lifetime.freed_in_release = event->in_release;
  }
  blocks_remove(&replay->blocks, block);
  return replay->visit(replay->context, &lifetime);
}

static int on_alloc(struct replay *replay, const struct trace_event *event) {
  if (!event->address) {
    return 0;
  }
  struct block *block = blocks_find(&replay->blocks, event->address);
  int rc = block ? block_ends(replay, block, event) : 0; /* its free was not seen */
  if (rc != 0) {
    return rc;
  }
  block = blocks_add(&replay->blocks, event->address, event->size);
  if (!block) {
    return ERROR_MEMORY;
  }
  block->event = replay->event;
  block->time_ns = event->time_ns;
  block->stack = event->stack;
  block->row = event->tid;
  return 0;
}

static int on_event(struct replay *replay, const struct trace_event *event) {
  replay->event++;
  if (event->kind == TRACE_ALLOC) {
    return on_alloc(replay, event);
  }
  struct block *block = event->kind == TRACE_FREE ? blocks_find(&replay->blocks, event->address) : NULL;
  return block ? block_ends(replay, block, event) : 0;
}

static int visit_survivors(struct replay *replay) {
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < replay->blocks.capacity; i++) {
    if (replay->blocks.slots[i].address) {
      struct lifetime lifetime = lifetime_of(&replay->blocks.slots[i]);
      rc = replay->visit(replay->context, &lifetime);
    }
  }
  return rc;
}

int lifetimes_each(struct trace_reader *reader, int (*visit)(void *context, const struct lifetime *lifetime),
                   void *context) {
  struct replay replay = {.visit = visit, .context = context};
  struct error damage = {0};
  struct trace_event event;
  int rc = 0;
  trace_reader_rewind(reader);
  while (rc == 0 && trace_reader_next(reader, &event, &damage) > 0) {
    rc = on_event(&replay, &event);
  }
  rc = rc == 0 ? visit_survivors(&replay) : rc;
  blocks_fini(&replay.blocks);
  return rc;
}
