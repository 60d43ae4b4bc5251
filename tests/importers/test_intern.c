/* Numbers for bytes: equal ones for equal bytes, through every growth. */
#include "importers/intern.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(intern, numbers_count_from_one) {
  struct intern intern = {0};
  cr_assert_eq(intern_number(&intern, "abc", 3), 1);
  cr_assert_eq(intern_number(&intern, "ab", 2), 2); /* a beginning is another thing */
  cr_assert_eq(intern_number(&intern, "ab\0", 3), 3);
  cr_assert_eq(intern_number(&intern, "", 0), 4);
  cr_assert_eq(intern_number(&intern, "abc", 3), 1);
  cr_assert_eq(intern_number(&intern, NULL, 0), 4);
  cr_assert_eq(intern.count, 4);
  intern_fini(&intern);
  intern_fini(&intern); /* empty is fine */
}

Test(intern, stays_true_as_it_grows) {
  struct intern intern = {0};
  enum { COUNT = 100000 };
  for (int pass = 0; pass < 2; pass++) {
    for (uint32_t i = 0; i < COUNT; i++) {
      uint64_t words[5] = {i * UINT64_C(4096), 7, i, 0, 1}; /* like addresses, and like stacks */
      cr_assert_eq(intern_number(&intern, words, i % 2 ? 8 : sizeof words), i + 1);
    }
  }
  intern_fini(&intern);
}
