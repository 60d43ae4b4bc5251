/* The curve of runs, its turns and what lies over them, against sums over all runs at every place. */
#include "analyzers/infer_climb.h"
#include "common/error.h"
#include "tests/analyzers/sequence_builder.h"

#include <criterion/criterion.h>

static struct sequence_builder builder;
static struct infer_runs runs;
static struct spill turns;

static void set_up(void) {
  sequence_init(&builder);
}

static void tear_down(void) {
  spill_fini(&turns);
  infer_runs_fini(&runs);
  sequence_fini(&builder);
}

TestSuite(infer_climb, .init = set_up, .fini = tear_down);

static void start(unsigned seed) {
  tear_down();
  set_up();
  sequence_random(&builder, seed, 100 + seed, 2);
  cr_assert_eq(infer_runs_find(&runs, &builder.sequence), 0);
  cr_assert_eq(spill_open(&turns, sizeof(struct infer_turn)), 0);
}

static bool lies_over(const struct infer_run *run, uint32_t place, uint32_t pattern) {
  const struct infer_kind *kind = &runs.kinds[run->kind];
  return run->whole && run->end > run->begin + 1 && kind->runs >= INFER_RECURS && run->begin <= place &&
         place < run->end && kind->pattern == pattern && (pattern || !kind->dropped);
}

static uint64_t level_at(uint32_t place, uint32_t pattern) {
  uint64_t level = 0;
  for (uint32_t i = 0; i < runs.runs.count; i++) {
    const struct infer_run *run = infer_run_at(&runs, i);
    level += lies_over(run, place, pattern) ? infer_run_weight(&runs, run) : 0;
  }
  return level;
}

static void check_turns(uint32_t pattern, uint64_t threshold) {
  struct infer_turn best = {0};
  size_t found = 0;
  turns.count = 0;
  cr_assert_eq(infer_climb_turns(&runs, pattern, threshold, &turns), 0);
  for (uint32_t place = 0; place <= infer_places(&builder.sequence); place++) {
    const uint64_t level = place < infer_places(&builder.sequence) ? level_at(place, pattern) : 0;
    if (level >= threshold && level > best.level) {
      best = (struct infer_turn){.place = place, .level = level};
    } else if (level < threshold && best.level) {
      cr_assert_lt(found, turns.count);
      const struct infer_turn *turn = spill_at(&turns, found++);
      cr_assert(turn->place == best.place && turn->level == best.level && turn->pattern == pattern);
      best.level = 0;
    }
  }
  cr_assert_eq(found, turns.count);
}

static void choose_kinds(unsigned seed) {
  for (size_t i = 0; i < runs.kinds_count; i++) {
    const int choice = rand_r(&seed) % 4;
    runs.kinds[i].pattern = choice == 1;
    runs.kinds[i].dropped = choice == 2;
  }
}

Test(infer_climb, turns_of_random_sequences) {
  for (unsigned seed = 0; seed < 40; seed++) {
    start(seed);
    choose_kinds(seed);
    for (uint32_t pattern = 0; pattern < 2; pattern++) {
      uint64_t highest = 0;
      for (uint32_t place = 0; place < infer_places(&builder.sequence); place++) {
        const uint64_t level = level_at(place, pattern);
        highest = level > highest ? level : highest;
      }
      cr_assert_eq(infer_climb_highest(&runs, pattern), highest);
      for (uint64_t threshold = 1; threshold <= highest; threshold += 1 + highest / 5) {
        check_turns(pattern, threshold);
      }
    }
  }
}

struct places {
  uint32_t items[4];
  size_t visited;
};

static int check_over(void *context, size_t index, const uint32_t *over, size_t count) {
  struct places *places = context;
  size_t expected = 0;
  cr_assert_eq(index, places->visited++);
  for (uint32_t i = 0; i < runs.runs.count; i++) {
    expected += lies_over(infer_run_at(&runs, i), places->items[index], 0);
  }
  cr_assert_eq(count, expected);
  for (size_t i = 0; i < count; i++) {
    cr_assert(lies_over(infer_run_at(&runs, over[i]), places->items[index], 0));
  }
  return 0;
}

static int refuse(void *context, size_t index, const uint32_t *over, size_t count) {
  (void)context, (void)index, (void)over, (void)count;
  return ERROR_USAGE;
}

Test(infer_climb, what_lies_over_places) {
  for (unsigned seed = 0; seed < 40; seed++) {
    start(seed);
    struct places places = {{0, 20 + seed, 21 + seed, 1000}, 0};
    cr_assert_eq(infer_climb_over(&runs, 0, places.items, 4, check_over, &places), 0);
    cr_assert_eq(places.visited, 4);
    cr_assert_eq(infer_climb_over(&runs, 0, places.items, 4, refuse, NULL), ERROR_USAGE);
    cr_assert_eq(infer_climb_over(&runs, 0, places.items, 0, refuse, NULL), 0);
  }
}

/* Turns with the same blocks of the same kinds over them are told from others by their hash. */
Test(infer_climb, hashes) {
  cr_assert_eq(spill_open(&turns, sizeof(struct infer_turn)), 0);
  for (int step = 0; step < 6; step++) {
    const uint32_t a = sequence_alloc(&builder, 100, 1), b = sequence_alloc(&builder, 100, step % 2 ? 1 : 2);
    sequence_alloc(&builder, 10, 3);
    sequence_free(&builder, b, 4);
    sequence_free(&builder, a, 4);
  }
  cr_assert_eq(infer_runs_find(&runs, &builder.sequence), 0);
  cr_assert_eq(infer_climb_turns(&runs, 0, 100, &turns), 0);
  cr_assert_eq(turns.count, 6);
  const uint64_t even = ((const struct infer_turn *)spill_at(&turns, 0))->hash;
  const uint64_t odd = ((const struct infer_turn *)spill_at(&turns, 1))->hash;
  cr_expect_neq(even, odd);
  for (size_t i = 0; i < 6; i++) {
    cr_expect_eq(((const struct infer_turn *)spill_at(&turns, i))->hash, i % 2 ? odd : even);
  }
}
