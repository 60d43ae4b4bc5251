/* Regions: pieces of heap blocks that the program says are blocks of their own (include/actscope/mark.h). The block around
 * them is an arena. Regions do not overlap: a new one ends those in its way. */
#ifndef ACTSCOPE_ANALYZERS_REGIONS_H
#define ACTSCOPE_ANALYZERS_REGIONS_H

#include "analyzers/blocks.h"
#include "analyzers/map64.h"
#include "analyzers/spill.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGION_NONE UINT32_MAX
#define REGION_NEVER UINT64_MAX

struct arena {                          /* a heap block with a region, now or once */
  uint64_t covered;                     /* bytes of its live regions */
  uint64_t most_covered, fullest_event; /* the most that ever were, and the event that made them so */
  uint64_t alloc_event, free_event;     /* REGION_NEVER: lives */
  uint32_t stack;                       /* of its allocation */
};

struct region {
  struct block block; /* address, bytes, mark's event, time and stack, and its current row: as if it were allocated */
  uint64_t end_event; /* REGION_NEVER: lives */
  uint32_t arena;
  const char *layer, *name, *op; /* the trace's; "" none */
};

struct regions {              /* zeroed: none yet */
  struct spill arenas, items; /* struct arena, struct region, in the order of their marks; opened by the first */
  struct map64 by_address;    /* live arena's address -> index + 1 */
  uint32_t *live;             /* regions, by address */
  size_t live_count, live_capacity;
};

void regions_fini(struct regions *regions);

static inline struct arena *arena_at(const struct regions *regions, uint32_t arena) {
  return spill_at(&regions->arenas, arena);
}

static inline struct region *region_at(const struct regions *regions, uint32_t region) {
  return spill_at(&regions->items, region);
}

/* The live region that contains the pointer; REGION_NONE. */
uint32_t regions_find(const struct regions *regions, uint64_t pointer);
/* Any live region with bytes in [begin, end); REGION_NONE. */
uint32_t regions_overlapping(const struct regions *regions, uint64_t begin, uint64_t end);

/* The arena that a live block is, NULL: it has no region yet. Good until the next arena. */
struct arena *regions_arena(const struct regions *regions, const struct block *block);
/* The same, made if it was none (*made says so). NULL: no memory. */
struct arena *regions_make_arena(struct regions *regions, const struct block *block, bool *made);

/* A new live region, which overlaps none, within the block, which is an arena. Its row is 0. REGION_NONE: no memory. */
uint32_t regions_add(struct regions *regions, const struct block *block, const struct region *region);
void regions_end(struct regions *regions, uint32_t region, uint64_t event);
/* Is it one of those that lay in its arena when that was fullest? */
bool region_is_of_fullest(const struct regions *regions, const struct region *region);
/* The arena's block ends: it has no live regions any more. */
void regions_end_arena(struct regions *regions, const struct block *block, uint64_t event);

#endif
