/* The table of live heap blocks. Finding one by its address is the analysis' hot path; finding the block that
 * contains a pointer is needed for saved tensors only, which mostly begin where their block does. */
#ifndef ACTSCOPE_ANALYZERS_BLOCKS_H
#define ACTSCOPE_ANALYZERS_BLOCKS_H

#include "analyzers/map64.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block {
  uint64_t address;  /* 0: an empty slot */
  uint64_t size;     /* bytes asked for */
  uint64_t event;    /* ordinal of its allocation: tells blocks at one address apart */
  uint64_t time_ns;  /* of its allocation */
  uint32_t stack;    /* of its allocation */
  uint32_t row;      /* saved row + 1, 0: not saved (see holders.h) */
  uint32_t inferred; /* its number + 1 in the sequence that the inference goes by; 0: none (infer_sequence.h) */
  int64_t before;    /* the timeline's level_before at its allocation: should it turn out to be an arena (regions.h) */
};

struct blocks { /* zeroed is an empty table */
  struct block *slots;
  size_t capacity, count; /* capacity 0 or a power of two */
  bool indexed;           /* granules is kept; from the first blocks_containing on */
  size_t below_granule;   /* live blocks too small for granules, once indexed */
  uint64_t levels;        /* bit k: granules may hold a block of 2^k to 2^(k+1)-1 bytes */
  struct map64 granules;  /* (start >> k) and k -> start: a granule of 2^k bytes has at most one such start */
};

void blocks_fini(struct blocks *blocks);

/* Pointers to blocks are good until the next add or remove. */
struct block *blocks_find(const struct blocks *blocks, uint64_t address);
/* A new block at an address (not 0) that has no live one; NULL: no memory. Other fields are the caller's to fill in. */
struct block *blocks_add(struct blocks *blocks, uint64_t address, uint64_t size);
void blocks_remove(struct blocks *blocks, struct block *block);
/* The live block that contains pointer, NULL if none does (or memory for the index is short). */
struct block *blocks_containing(struct blocks *blocks, uint64_t pointer);

#endif
