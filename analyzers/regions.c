/* Live regions in an array by address: they are few (thousands), mostly carved once, in order and without gaps. */
#include "analyzers/regions.h"

#include <stdlib.h>
#include <string.h>

void regions_fini(struct regions *regions) {
  spill_fini(&regions->arenas);
  spill_fini(&regions->items);
  map64_fini(&regions->by_address);
  free(regions->live);
  *regions = (struct regions){0};
}

/* The first live region, in order of address, that ends behind the pointer. */
static size_t position_of(const struct regions *regions, uint64_t pointer) {
  size_t low = 0, high = regions->live_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const struct block *block = &region_at(regions, regions->live[middle])->block;
    if (block->address + block->size <= pointer) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

uint32_t regions_overlapping(const struct regions *regions, uint64_t begin, uint64_t end) {
  size_t at = position_of(regions, begin);
  bool found = at < regions->live_count && region_at(regions, regions->live[at])->block.address < end;
  return found ? regions->live[at] : REGION_NONE;
}

uint32_t regions_find(const struct regions *regions, uint64_t pointer) {
  return regions_overlapping(regions, pointer, pointer + 1);
}

static uint32_t arena_index(const struct regions *regions, const struct block *block) {
  const uint64_t *known = map64_find(&regions->by_address, block->address);
  return known && *known ? (uint32_t)(*known - 1) : REGION_NONE;
}

struct arena *regions_arena(const struct regions *regions, const struct block *block) {
  uint32_t index = arena_index(regions, block);
  return index == REGION_NONE ? NULL : arena_at(regions, index);
}

static int open_spills(struct regions *regions) {
  if (regions->arenas.base) {
    return 0;
  }
  return spill_open(&regions->arenas, sizeof(struct arena)) == 0 ? spill_open(&regions->items, sizeof(struct region))
                                                                 : -1;
}

struct arena *regions_make_arena(struct regions *regions, const struct block *block, bool *made) {
  struct arena *arena = regions_arena(regions, block);
  *made = !arena;
  if (arena || open_spills(regions) != 0) {
    return arena;
  }
  uint64_t *index = map64_put(&regions->by_address, block->address);
  arena = index && regions->arenas.count < REGION_NONE ? spill_push(&regions->arenas) : NULL;
  if (arena) {
    *index = regions->arenas.count;
    *arena = (struct arena){.alloc_event = block->event, .free_event = REGION_NEVER, .stack = block->stack};
  }
  return arena;
}

static int reserve_live(struct regions *regions) {
  if (regions->live_count < regions->live_capacity) {
    return 0;
  }
  size_t larger = regions->live_capacity ? regions->live_capacity * 2 : 64;
  uint32_t *live = realloc(regions->live, larger * sizeof *live);
  if (!live) {
    return -1;
  }
  regions->live = live;
  regions->live_capacity = larger;
  return 0;
}

uint32_t regions_add(struct regions *regions, const struct block *block, const struct region *region) {
  struct region *added = reserve_live(regions) == 0 ? spill_push(&regions->items) : NULL;
  if (!added || regions->items.count >= REGION_NONE) {
    return REGION_NONE;
  }
  uint32_t index = (uint32_t)(regions->items.count - 1);
  size_t at = position_of(regions, region->block.address);
  *added = *region;
  added->arena = arena_index(regions, block);
  added->end_event = REGION_NEVER;
  memmove(regions->live + at + 1, regions->live + at, (regions->live_count - at) * sizeof *regions->live);
  regions->live[at] = index;
  regions->live_count++;
  struct arena *arena = arena_at(regions, added->arena);
  arena->covered += added->block.size;
  if (arena->covered > arena->most_covered) {
    arena->most_covered = arena->covered;
    arena->fullest_event = region->block.event;
  }
  return index;
}

void regions_end(struct regions *regions, uint32_t index, uint64_t event) {
  struct region *region = region_at(regions, index);
  size_t at = position_of(regions, region->block.address);
  region->end_event = event;
  regions->live_count--;
  memmove(regions->live + at, regions->live + at + 1, (regions->live_count - at) * sizeof *regions->live);
  arena_at(regions, region->arena)->covered -= region->block.size;
}

bool region_is_of_fullest(const struct regions *regions, const struct region *region) {
  const struct arena *arena = arena_at(regions, region->arena);
  return region->block.event <= arena->fullest_event && region->end_event > arena->fullest_event;
}

void regions_end_arena(struct regions *regions, const struct block *block, uint64_t event) {
  struct arena *arena = regions_arena(regions, block);
  if (arena) {
    arena->free_event = event;
    map64_remove(&regions->by_address, block->address);
  }
}
