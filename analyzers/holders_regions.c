/* Regions as the trace tells of them: where they begin and end, and what that does to who holds them. */
#include "analyzers/holders.h"

#include "common/error.h"

#include <string.h>

/* The region's block ends, as a heap block would. */
static int region_end(struct holders *holders, uint32_t index, uint64_t time_ns) {
  struct region *region = region_at(holders->regions, index);
  int rc = 0;
  if (region->block.row) {
    struct saved_row *row = saved_row_at(holders->history, region->block.row - 1);
    row->free_event = holders->timeline->event;
    row->free_ns = time_ns;
    row->freed_in_backward = holders->in_backward;
    row->dropped = row->dropped || (row->live_holders && row->window == holders->window && !holders->in_backward);
    rc = holders_end_all(holders, region->block.row - 1, time_ns);
  }
  regions_end(holders->regions, index, holders->timeline->event);
  return rc;
}

static int end_overlapping(struct holders *holders, uint64_t begin, uint64_t end, uint64_t time_ns) {
  uint32_t index;
  int rc = 0;
  while (rc == 0 && (index = regions_overlapping(holders->regions, begin, end)) != REGION_NONE) {
    rc = region_end(holders, index, time_ns);
  }
  return rc;
}

static bool same_names(const struct region *region, const struct trace_event *event) {
  return strcmp(region->name, event->region.name) == 0 && strcmp(region->op, event->region.op) == 0 &&
         strcmp(region->layer, event->region.layer) == 0;
}

/* Carved anew where it was: nothing is said that was not known. */
static bool is_there(const struct holders *holders, const struct trace_event *event, uint64_t bytes) {
  uint32_t index = regions_find(holders->regions, event->region.data);
  if (index == REGION_NONE) {
    return false;
  }
  const struct region *region = region_at(holders->regions, index);
  return region->block.address == event->region.data && region->block.size == bytes && same_names(region, event);
}

int holders_region(struct holders *holders, const struct trace_event *event) {
  const uint64_t data = event->region.data;
  const struct block *block = blocks_containing(holders->blocks, data);
  if (!block) { /* in a small block, or not on the heap */
    holders->stray_marks++;
    return 0;
  }
  uint64_t room = block->address + block->size - data;
  uint64_t bytes = event->region.bytes < room ? event->region.bytes : room;
  if (bytes == 0 || is_there(holders, event, bytes)) {
    return 0;
  }
  int rc = end_overlapping(holders, data, data + bytes, event->time_ns);
  const struct region region = {
      .block = {.address = data,
                .size = bytes,
                .event = holders->timeline->event,
                .time_ns = event->time_ns,
                .stack = event->stack < holders->timeline->stacks_limit ? event->stack : 0},
      .layer = event->region.layer,
      .name = event->region.name,
      .op = event->region.op,
  };
  bool made = false;
  if (rc == 0 && !regions_make_arena(holders->regions, block, &made)) {
    rc = ERROR_MEMORY;
  }
  if (rc == 0 && made) { /* with codes the arena would be smaller from its allocation on */
    rc = timeline_split(holders->timeline, block->event, block->time_ns, block->before);
  }
  return rc == 0 && regions_add(holders->regions, block, &region) == REGION_NONE ? ERROR_MEMORY : rc;
}

int holders_region_end(struct holders *holders, const struct trace_event *event) {
  uint32_t index = regions_find(holders->regions, event->address);
  if (index == REGION_NONE || region_at(holders->regions, index)->block.address != event->address) {
    return 0;
  }
  return region_end(holders, index, event->time_ns);
}

int holders_arena_end(struct holders *holders, const struct block *block, const struct trace_event *event) {
  if (!regions_arena(holders->regions, block)) {
    return 0;
  }
  int rc = end_overlapping(holders, block->address, block->address + block->size, event->time_ns);
  regions_end_arena(holders->regions, block, holders->timeline->event);
  return rc == 0 ? timeline_cut(holders->timeline) : rc;
}
