/* The table of regions against a plain list of them, over many random carves. */
#include "analyzers/regions.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { ARENAS = 3, ROUNDS = 20000, MOST = 30000 };

struct plain { /* what a region is to the list */
  uint64_t begin, end;
  uint32_t index;
  bool live;
};

static struct regions regions;
static struct block blocks[ARENAS];
static struct plain plain[MOST];
static size_t plain_count;
static uint64_t state = 88172645463325252u;

static unsigned below(unsigned n) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (unsigned)(state % n);
}

static void setup(void) {
  for (int i = 0; i < ARENAS; i++) { /* side by side */
    blocks[i] = (struct block){.address = 0x10000 + (uint64_t)i * 0x1000, .size = 0x1000, .event = 1 + (uint64_t)i};
  }
}

static void teardown(void) {
  regions_fini(&regions);
}

TestSuite(regions, .init = setup, .fini = teardown);

static uint32_t plain_find(uint64_t begin, uint64_t end) {
  const struct plain *first = NULL;
  for (size_t i = 0; i < plain_count; i++) {
    const bool meets = plain[i].live && plain[i].begin < end && plain[i].end > begin;
    first = meets && (!first || plain[i].begin < first->begin) ? &plain[i] : first;
  }
  return first ? first->index : REGION_NONE;
}

static void plain_end(uint32_t index) {
  for (size_t i = 0; i < plain_count; i++) {
    plain[i].live = plain[i].live && plain[i].index != index;
  }
}

static void carve(uint64_t event) {
  const struct block *block = &blocks[below(ARENAS)];
  const uint64_t begin = block->address + below(0x1000), room = block->address + block->size - begin;
  const uint64_t size = 1 + below(room < 0x200 ? (unsigned)room : 0x200);
  bool made;
  uint32_t index;
  while ((index = regions_overlapping(&regions, begin, begin + size)) != REGION_NONE) {
    cr_assert_eq(index, plain_find(begin, begin + size));
    regions_end(&regions, index, event);
    plain_end(index);
  }
  cr_assert_eq(plain_find(begin, begin + size), REGION_NONE);
  cr_assert_not_null(regions_make_arena(&regions, block, &made));
  const struct region region = {.block = {.address = begin, .size = size, .event = event}};
  index = regions_add(&regions, block, &region);
  cr_assert_neq(index, REGION_NONE);
  plain[plain_count++] = (struct plain){begin, begin + size, index, true};
}

static uint64_t plain_covered(const struct block *block) {
  uint64_t covered = 0;
  for (size_t i = 0; i < plain_count; i++) {
    const bool within = plain[i].begin >= block->address && plain[i].begin < block->address + block->size;
    covered += plain[i].live && within ? plain[i].end - plain[i].begin : 0;
  }
  return covered;
}

Test(regions, as_a_plain_list_has_them) {
  uint64_t most[ARENAS] = {0};
  for (unsigned i = 0; i < ROUNDS; i++) {
    carve(100 + i);
    const uint64_t pointer = 0x0ff00 + below(0x3200);
    cr_assert_eq(regions_find(&regions, pointer), plain_find(pointer, pointer + 1));
    for (int a = 0; i % 16 == 0 && a < ARENAS; a++) {
      const struct arena *arena = regions_arena(&regions, &blocks[a]);
      cr_assert_eq(arena ? arena->covered : 0, plain_covered(&blocks[a]));
      most[a] = arena && arena->covered > most[a] ? arena->covered : most[a];
      cr_assert(!arena || arena->most_covered >= most[a]);
    }
    if (plain_count > 400) { /* the list is slow: forget what has ended */
      size_t kept = 0;
      for (size_t k = 0; k < plain_count; k++) {
        plain[kept] = plain[k];
        kept += plain[k].live;
      }
      plain_count = kept;
    }
  }
}

Test(regions, of_the_fullest_carving) {
  static const uint64_t carvings[][2] = {{0, 0x100}, {0x100, 0x100}, {0, 0x80}, {0x300, 0x10}};
  bool made;
  for (uint64_t i = 0; i < 4; i++) { /* the third ends the first */
    const struct region region = {
        .block = {.address = blocks[0].address + carvings[i][0], .size = carvings[i][1], .event = 10 + i}};
    if (i == 2) {
      regions_end(&regions, 0, 12);
    }
    regions_make_arena(&regions, &blocks[0], &made);
    cr_assert_eq(made, i == 0);
    regions_add(&regions, &blocks[0], &region);
  }
  const bool expected[] = {true, true, false, false};
  for (uint32_t i = 0; i < 4; i++) {
    cr_expect_eq(region_is_of_fullest(&regions, region_at(&regions, i)), expected[i], "%u", i);
  }
}

/* A block that is an arena no more, and another at its address. */
Test(regions, an_arena_ends_with_its_block) {
  bool made;
  const struct region region = {.block = {.address = blocks[0].address, .size = 16, .event = 10}};
  cr_assert_null(regions_arena(&regions, &blocks[0]));
  regions_make_arena(&regions, &blocks[0], &made);
  regions_add(&regions, &blocks[0], &region);
  regions_end(&regions, 0, 20);
  regions_end_arena(&regions, &blocks[0], 20);
  cr_expect_null(regions_arena(&regions, &blocks[0]));
  cr_expect_eq(regions_find(&regions, blocks[0].address), REGION_NONE);
  cr_assert_not_null(regions_make_arena(&regions, &blocks[0], &made));
  cr_expect(made);
  cr_expect_eq(regions.arenas.count, 2);
  cr_expect_eq(arena_at(&regions, 0)->free_event, 20);
}
