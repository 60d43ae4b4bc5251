/* Replays allocations, frees and sums of small blocks. Events are numbered, and bytes counted, as in the first reading. */
#include "analyzers/lifetimes.h"

#include "analyzers/blocks.h"
#include "analyzers/timeline.h"

struct replay {
  struct blocks blocks; /* block->row is the thread that allocated */
  uint64_t event;
  int64_t live;
  const struct lifetimes_visitor *visitor;
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

static int tell_end(const struct replay *replay, const struct lifetime *lifetime) {
  const struct lifetimes_visitor *visitor = replay->visitor;
  return visitor->ends ? visitor->ends(visitor->context, lifetime) : 0;
}

static int tell_begin(const struct replay *replay, const struct block *block) {
  const struct lifetimes_visitor *visitor = replay->visitor;
  const struct lifetime lifetime = lifetime_of(block);
  return visitor->begins ? visitor->begins(visitor->context, &lifetime) : 0;
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
  replay->live = timeline_sum(replay->live, -block->size);
  blocks_remove(&replay->blocks, block);
  return tell_end(replay, &lifetime);
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
  replay->live = timeline_sum(replay->live, block->size);
  return tell_begin(replay, block);
}

static int on_event(struct replay *replay, const struct trace_event *event) {
  const struct lifetimes_visitor *visitor = replay->visitor;
  struct block *block;
  int rc = 0;
  replay->event++;
  switch (event->kind) {
  case TRACE_ALLOC:
    rc = on_alloc(replay, event);
    break;
  case TRACE_FREE:
    block = blocks_find(&replay->blocks, event->address);
    rc = block ? block_ends(replay, block, event) : 0;
    break;
  case TRACE_SMALL:
    replay->live = timeline_sum(replay->live, event->small.alloc_bytes - event->small.free_bytes);
    break;
  default:
    break;
  }
  return rc == 0 && visitor->settled ? visitor->settled(visitor->context, replay->event, replay->live) : rc;
}

static int visit_survivors(struct replay *replay) {
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < replay->blocks.capacity; i++) {
    if (replay->blocks.slots[i].address) {
      struct lifetime lifetime = lifetime_of(&replay->blocks.slots[i]);
      rc = tell_end(replay, &lifetime);
    }
  }
  return rc;
}

int lifetimes_each(struct trace_reader *reader, const struct lifetimes_visitor *visitor) {
  struct replay replay = {.visitor = visitor};
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
