/* Numbers follow the first appearance, however many keys there are. */
#include "reports/numbering.h"

#include <criterion/criterion.h>

static struct numbering numbering;
static char names[3000][2];

Test(numbering, in_order_of_appearance) {
  for (int round = 0; round < 2; round++) {
    for (uint32_t i = 0; i < 3000; i++) {
      cr_assert_eq(numbering_of(&numbering, &(struct numbering_key){.strings = {names[i]}}), i + 1);
    }
  }
  cr_expect_eq(numbering.count, 3000);
  cr_expect_eq(numbering.keys[17].strings[0], names[17]);
  numbering_fini(&numbering);
}

Test(numbering, every_part_of_a_key_counts) {
  const struct numbering_key keys[] = {{{"a", NULL, NULL}, 0},
                                       {{NULL, "a", NULL}, 0},
                                       {{NULL, NULL, "a"}, 0},
                                       {{"a", NULL, NULL}, 1},
                                       {{NULL, NULL, NULL}, 0}};
  for (uint32_t i = 0; i < 5; i++) {
    cr_expect_eq(numbering_of(&numbering, &keys[i]), i + 1);
  }
  cr_expect_eq(numbering_of(&numbering, &keys[2]), 3);
  numbering_fini(&numbering);
}
