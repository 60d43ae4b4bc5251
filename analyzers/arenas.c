/* One pass over the rows gives each region's verdict; see the header for what follows from it. */
#include "analyzers/arenas.h"

#include <stdlib.h>

static void note_row(const struct saved_history *history, const struct saved_row *row, struct region_use *use) {
  if (row->first_holder == SAVED_NONE || !saved_row_counts(row)) {
    return;
  }
  use->listed = use->listed || row->listed;
  use->refused = use->refused || !row->eligible;
  if (row->eligible) {
    use->op = saved_holder_at(history, row->first_holder)->op;
    use->elements = row->elements > use->elements ? row->elements : use->elements;
  }
}

struct region_use *arenas_uses(const struct analysis *analysis) {
  const struct saved_history *history = analysis->holders.history;
  struct region_use *uses = calloc(analysis->regions.items.count + 1, sizeof *uses);
  for (uint32_t i = 0; uses && analysis->regions.items.count && i < history->rows.count; i++) {
    const struct saved_row *row = saved_row_at(history, i);
    if (row->region) {
      note_row(history, row, &uses[row->region - 1]);
    }
  }
  return uses;
}

size_t arenas_list_replaceables(const struct analysis *analysis, const struct region_use *uses,
                                struct facts_replaceable *list) {
  const struct regions *regions = &analysis->regions;
  size_t count = 0;
  for (uint32_t i = 0; i < regions->items.count; i++) {
    const struct region *region = region_at(regions, i);
    const struct arena *arena = arena_at(regions, region->arena);
    const uint64_t end = arena->free_event == REGION_NEVER ? analysis->events + 1 : arena->free_event;
    if (!uses[i].op || uses[i].refused || !region_is_of_fullest(regions, region)) {
      continue;
    }
    if (list) {
      list[count] = (struct facts_replaceable){.op = uses[i].op,
                                               .step = -1,
                                               .listed = uses[i].listed,
                                               .arena = region->arena + 1,
                                               .bytes = region->block.size,
                                               .elements = uses[i].elements,
                                               .begin_event = arena->alloc_event,
                                               .release_event = end,
                                               .free_event = end};
    }
    count++;
  }
  return count;
}
