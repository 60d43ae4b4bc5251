/* The block table against a plain array that is searched from end to end. */
#include "analyzers/blocks.h"
#include "analyzers/map64.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static uint64_t random_next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

enum { PLACES = 400 };

/* Blocks lie in places of a megabyte each, so that none overlap; the larger ones span many granules. */
struct model {
  uint64_t address[PLACES], size[PLACES];
  bool live[PLACES];
};

static int model_containing(const struct model *model, uint64_t pointer) {
  for (int i = 0; i < PLACES; i++) {
    bool start = pointer == model->address[i];
    if (model->live[i] && (start || (pointer > model->address[i] && pointer - model->address[i] < model->size[i]))) {
      return i;
    }
  }
  return -1;
}

static uint64_t random_size(uint64_t *seed) {
  static const uint64_t limits[] = {1, 64, 2047, 2048, 4096, 5000, 65536, 1000000};
  return random_next(seed) % (limits[random_next(seed) % 8] + 1);
}

static void change(struct model *model, struct blocks *blocks, uint64_t *seed) {
  int place = (int)(random_next(seed) % PLACES);
  if (model->live[place]) {
    struct block *block = blocks_find(blocks, model->address[place]);
    cr_assert(block && block->size == model->size[place]);
    blocks_remove(blocks, block);
    model->live[place] = false;
    return;
  }
  model->address[place] = 0x7f0000000000u + ((uint64_t)place << 20) + random_next(seed) % 2000 * 16;
  model->size[place] = random_size(seed);
  model->live[place] = true;
  cr_assert_not_null(blocks_add(blocks, model->address[place], model->size[place]));
}

static void look_up(const struct model *model, struct blocks *blocks, uint64_t *seed) {
  int place = (int)(random_next(seed) % PLACES);
  uint64_t span = model->size[place] + 64;
  uint64_t pointer = model->address[place] + random_next(seed) % span - random_next(seed) % 32;
  const struct block *found = blocks_containing(blocks, pointer);
  int expected = model_containing(model, pointer);
  cr_assert_eq(found != NULL, expected >= 0, "pointer %lx", (unsigned long)pointer);
  cr_assert(!found || found->address == model->address[expected]);
}

Test(blocks, agrees_with_a_plain_array) {
  for (uint64_t seed = 1; seed <= 8; seed++) {
    struct model model = {0};
    struct blocks blocks = {0};
    uint64_t state = seed * 0x9e3779b97f4a7c15u;
    for (int i = 0; i < 20000; i++) {
      change(&model, &blocks, &state);
      if (i > 5000) { /* the index is built over blocks that live already */
        look_up(&model, &blocks, &state);
      }
    }
    size_t live = 0;
    for (int i = 0; i < PLACES; i++) {
      live += model.live[i];
    }
    cr_assert_eq(blocks.count, live);
    blocks_fini(&blocks);
  }
}

Test(blocks, an_empty_table_finds_nothing) {
  struct blocks blocks = {0};
  cr_assert_null(blocks_find(&blocks, 16));
  cr_assert_null(blocks_containing(&blocks, 16));
  cr_assert_not_null(blocks_add(&blocks, 4096, 0)); /* malloc(0): only its own address */
  cr_assert_not_null(blocks_containing(&blocks, 4096));
  cr_assert_null(blocks_containing(&blocks, 4097));
  blocks_fini(&blocks);
}

Test(map64, agrees_with_an_array) {
  enum { KEYS = 3000 };
  static uint64_t values[KEYS];
  struct map64 map = {0};
  uint64_t seed = 7;
  for (int i = 0; i < 200000; i++) {
    uint64_t key = random_next(&seed) % KEYS;
    if (random_next(&seed) % 3 == 0) {
      map64_remove(&map, key << 40 | 1);
      values[key] = 0;
    } else {
      values[key] = (uint64_t)i + 1;
      *map64_put(&map, key << 40 | 1) = values[key];
    }
    uint64_t other = random_next(&seed) % KEYS;
    const uint64_t *found = map64_find(&map, other << 40 | 1);
    cr_assert_eq(found ? *found : 0, values[other]);
  }
  map64_remove(&map, 0); /* no key */
  cr_assert_null(map64_find(&map, 0));
  map64_fini(&map);
}
