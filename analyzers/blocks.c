/* Open addressing by address with linear probing. For containment, a block of 2^k..2^(k+1)-1 bytes is also indexed
 * under the aligned granule of 2^k bytes that it starts in: blocks do not overlap, so a granule holds one such
 * start, and the block around a pointer starts in the pointer's granule or one of the two before it. */
#include "analyzers/blocks.h"

#include <stdlib.h>

enum {
  FIRST_CAPACITY = 4096,
  GRANULE_LEVEL_MIN = 11, /* smaller blocks are looked for step by step */
  MALLOC_STEP = 16,       /* alignment of every allocator that can be in use */
};

void blocks_fini(struct blocks *blocks) {
  free(blocks->slots);
  map64_fini(&blocks->granules);
  *blocks = (struct blocks){0};
}

static inline size_t home_of(const struct blocks *blocks, uint64_t address) {
  return (size_t)((address * 0x9e3779b97f4a7c15u) >> 20) & (blocks->capacity - 1);
}

static inline struct block *place_of(const struct blocks *blocks, uint64_t address) {
  size_t at = home_of(blocks, address);
  while (blocks->slots[at].address && blocks->slots[at].address != address) {
    at = (at + 1) & (blocks->capacity - 1);
  }
  return &blocks->slots[at];
}

struct block *blocks_find(const struct blocks *blocks, uint64_t address) {
  if (!blocks->count || !address) {
    return NULL;
  }
  struct block *block = place_of(blocks, address);
  return block->address ? block : NULL;
}

static int grow(struct blocks *blocks) {
  struct blocks larger = *blocks;
  larger.capacity = blocks->capacity ? blocks->capacity * 2 : FIRST_CAPACITY;
  larger.slots = calloc(larger.capacity, sizeof *larger.slots);
  if (!larger.slots) {
    return -1;
  }
  for (size_t i = 0; i < blocks->capacity; i++) {
    if (blocks->slots[i].address) {
      *place_of(&larger, blocks->slots[i].address) = blocks->slots[i];
    }
  }
  free(blocks->slots);
  *blocks = larger;
  return 0;
}

static int level_of(uint64_t size) {
  return size >> GRANULE_LEVEL_MIN ? 63 - __builtin_clzll(size) : -1;
}

static uint64_t granule_key(uint64_t address, int level) {
  return ((address >> level) << 6) | (uint64_t)level;
}

static void index_add(struct blocks *blocks, const struct block *block) {
  int level = level_of(block->size);
  if (level < 0) {
    blocks->below_granule++;
    return;
  }
  uint64_t *start = map64_put(&blocks->granules, granule_key(block->address, level));
  if (start) {
    *start = block->address;
    blocks->levels |= 1ull << level;
  }
}

static void index_remove(struct blocks *blocks, const struct block *block) {
  int level = level_of(block->size);
  if (level < 0) {
    blocks->below_granule--;
    return;
  }
  uint64_t key = granule_key(block->address, level);
  const uint64_t *start = map64_find(&blocks->granules, key);
  if (start && *start == block->address) { /* not that of another block, which a damaged trace might overlap */
    map64_remove(&blocks->granules, key);
  }
}

struct block *blocks_add(struct blocks *blocks, uint64_t address, uint64_t size) {
  if (blocks->count * 2 >= blocks->capacity && grow(blocks) != 0) {
    return NULL;
  }
  struct block *block = place_of(blocks, address);
  blocks->count++;
  *block = (struct block){.address = address, .size = size};
  if (blocks->indexed) {
    index_add(blocks, block);
  }
  return block;
}

void blocks_remove(struct blocks *blocks, struct block *block) {
  if (blocks->indexed) {
    index_remove(blocks, block);
  }
  size_t hole = (size_t)(block - blocks->slots), mask = blocks->capacity - 1;
  for (size_t at = (hole + 1) & mask; blocks->slots[at].address; at = (at + 1) & mask) {
    size_t home = home_of(blocks, blocks->slots[at].address);
    if (((at - home) & mask) >= ((at - hole) & mask)) { /* its home does not lie between the hole and here */
      blocks->slots[hole] = blocks->slots[at];
      hole = at;
    }
  }
  blocks->slots[hole].address = 0;
  blocks->count--;
}

static bool contains(const struct block *block, uint64_t pointer) {
  return block && pointer >= block->address && pointer - block->address < block->size;
}

static struct block *find_by_granule(struct blocks *blocks, uint64_t pointer, int level) {
  for (uint64_t back = 0; back <= 2; back++) {
    uint64_t granule = (pointer >> level) - back;
    const uint64_t *start = map64_find(&blocks->granules, granule << 6 | (uint64_t)level);
    struct block *block = start ? blocks_find(blocks, *start) : NULL;
    if (contains(block, pointer)) {
      return block;
    }
  }
  return NULL;
}

static struct block *find_by_steps(const struct blocks *blocks, uint64_t pointer) {
  uint64_t start = pointer & ~(uint64_t)(MALLOC_STEP - 1);
  for (uint64_t back = 0; back < 1ull << GRANULE_LEVEL_MIN && back < start; back += MALLOC_STEP) {
    struct block *block = blocks_find(blocks, start - back);
    if (block) {
      return contains(block, pointer) ? block : NULL;
    }
  }
  return NULL;
}

static void index_all(struct blocks *blocks) {
  blocks->indexed = true;
  for (size_t i = 0; i < blocks->capacity; i++) {
    if (blocks->slots[i].address) {
      index_add(blocks, &blocks->slots[i]);
    }
  }
}

struct block *blocks_containing(struct blocks *blocks, uint64_t pointer) {
  struct block *block = blocks_find(blocks, pointer);
  if (block || !blocks->count) {
    return block;
  }
  if (!blocks->indexed) {
    index_all(blocks);
  }
  for (uint64_t levels = blocks->levels; levels; levels &= levels - 1) {
    block = find_by_granule(blocks, pointer, __builtin_ctzll(levels));
    if (block) {
      return block;
    }
  }
  return blocks->below_granule ? find_by_steps(blocks, pointer) : NULL;
}
