/* Lanes do not overlap, and there are no more of them than needed: checked against a count of what overlaps. */
#include "reports/lanes.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { COUNT = 400 };

static struct lane_interval intervals[COUNT];

static uint64_t next_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

static uint32_t deepest(size_t count) {
  uint32_t most = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t over = 0;
    for (size_t j = 0; j < count; j++) {
      over += intervals[j].begin <= intervals[i].begin && intervals[i].begin < intervals[j].end;
    }
    most = over > most ? over : most;
  }
  return most;
}

static void expect_apart(size_t count) {
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < i; j++) {
      cr_assert(intervals[i].lane != intervals[j].lane || intervals[i].begin >= intervals[j].end ||
                intervals[j].begin >= intervals[i].end);
    }
  }
}

Test(lanes, as_many_as_needed) {
  uint64_t state = 7;
  for (int round = 0; round < 20; round++) {
    uint32_t lanes;
    for (size_t i = 0; i < COUNT; i++) {
      uint64_t begin = next_random(&state) % 1000;
      intervals[i] = (struct lane_interval){begin, begin + 1 + next_random(&state) % (round * 20 + 1), 99};
    }
    cr_assert_eq(lanes_assign(intervals, COUNT, &lanes), 0);
    expect_apart(COUNT);
    cr_expect_eq(lanes, deepest(COUNT), "round %d", round);
  }
}

Test(lanes, the_lowest_free_one) {
  uint32_t lanes;
  struct lane_interval few[] = {{0, 10, 0}, {0, 5, 0}, {0, 7, 0}, {6, 8, 0}, {7, 9, 0}, {20, 20, 0}};
  cr_assert_eq(lanes_assign(few, 6, &lanes), 0);
  cr_expect(few[0].lane == 0 && few[1].lane == 1 && few[2].lane == 2 && few[3].lane == 1 && few[4].lane == 2);
  cr_expect(few[5].lane == 0 && lanes == 3);
}

Test(lanes, none) {
  uint32_t lanes = 5;
  cr_assert_eq(lanes_assign(NULL, 0, &lanes), 0);
  cr_expect_eq(lanes, 0);
}
