/* An array that outgrows memory for a file keeps what it had. */
#include "analyzers/spill.h"

#include <criterion/criterion.h>
#include <stdint.h>

struct item {
  uint64_t number;
  char rest[16]; /* sizes that do not divide pages */
};

static void fill(struct spill *spill, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    struct item *item = spill_push(spill);
    cr_assert_not_null(item);
    cr_assert(item->number == 0 && item->rest[0] == 0 && item->rest[15] == 0, "item %lu is not zeroed", i);
    item->number = i + 1;
    item->rest[15] = 'x';
  }
}

static void expect_filled(const struct spill *spill, uint64_t count) {
  cr_assert_eq(spill->count, count);
  for (uint64_t i = 0; i < count; i++) {
    const struct item *item = spill_at(spill, i);
    cr_assert(item->number == i + 1 && item->rest[15] == 'x');
  }
}

Test(spill, small_ones_need_no_file) {
  struct spill spill;
  cr_assert_eq(spill_open(&spill, sizeof(struct item)), 0);
  fill(&spill, 1000);
  expect_filled(&spill, 1000);
  cr_expect_eq(spill.file, -1);
  spill_fini(&spill);
  cr_expect_null(spill.base);
  spill_fini(&spill);
}

Test(spill, large_ones_move_to_a_file) {
  struct spill spill;
  cr_assert_eq(spill_open(&spill, sizeof(struct item)), 0);
  fill(&spill, 500000);
  expect_filled(&spill, 500000);
  cr_expect_geq(spill.file, 0);
  spill_fini(&spill);
}
