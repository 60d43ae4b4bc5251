/* A growing array that lives in an unlinked temporary file: what an analysis keeps for every step of a long run (saved
 * blocks, their holders, timeline segments) can leave memory for the disk, so memory grows with live blocks only. */
#ifndef ACTSCOPE_ANALYZERS_SPILL_H
#define ACTSCOPE_ANALYZERS_SPILL_H

#include <stddef.h>

struct spill { /* zeroed: nothing open */
  char *base;
  size_t item_size, count, capacity; /* items */
  int file;                          /* -1: memory, as it is small or no temporary file can be had */
};

int spill_open(struct spill *spill, size_t item_size); /* 0, or ERROR_MEMORY */
void spill_fini(struct spill *spill);                  /* zeroed is fine */

/* A new zeroed item at the end, NULL: no room. Moves all items: keep indices, not pointers. */
void *spill_push(struct spill *spill);

static inline void *spill_at(const struct spill *spill, size_t index) {
  return spill->base + index * spill->item_size;
}

#endif
