/* Interned strings and the file-backed array: what goes in comes out, through every growth. */
#include "analyzers/spill.h"
#include "analyzers/strings.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(strings, equal_texts_are_one_pointer) {
  struct strings *strings = strings_open();
  enum { COUNT = 20000 };
  static char *first[COUNT];
  char text[32];
  for (int i = 0; i < COUNT; i++) {
    snprintf(text, sizeof text, "name %d", i);
    first[i] = strings_intern(strings, text);
  }
  for (int i = 0; i < COUNT; i++) {
    snprintf(text, sizeof text, "name %d", i);
    cr_assert_str_eq(first[i], text);
    cr_assert_eq(strings_intern(strings, text), first[i]);
  }
  strings_close(strings);
}

Test(strings, odd_texts) {
  struct strings *strings = strings_open();
  char *large = malloc(300000);
  memset(large, 'x', 300000);
  large[299999] = '\0';
  cr_assert_eq(strings_intern(strings, NULL), strings_intern(strings, ""));
  cr_assert_str_eq(strings_intern(strings, large), large); /* larger than a block of the arena */
  cr_assert_str_eq(strings_intern_bytes(strings, "abcdef", 3), "abc");
  cr_assert_eq(strings_intern_bytes(strings, "ab\0cd", 5), strings_intern(strings, "ab"));
  cr_assert_neq(strings_intern(strings, "a"), strings_intern(strings, "ab")); /* a prefix is another text */
  free(large);
  strings_close(strings);
}

static void fill_and_check(void) {
  struct spill spill;
  cr_assert_eq(spill_open(&spill, 24), 0);
  for (size_t i = 0; i < 100000; i++) {
    uint64_t *item = spill_push(&spill);
    cr_assert(item && item[0] == 0 && item[2] == 0, "a new item is zeroed");
    item[0] = i;
    item[2] = ~i;
  }
  for (size_t i = 0; i < spill.count; i++) {
    const uint64_t *item = spill_at(&spill, i);
    cr_assert(item[0] == i && item[2] == ~i);
  }
  spill_fini(&spill);
  spill_fini(&spill); /* zeroed now */
}

Test(spill, keeps_items_through_growth) {
  fill_and_check();
}

Test(spill, works_where_no_temporary_file_can_be_had) {
  setenv("TMPDIR", "/nonexistent", 1);
  fill_and_check();
}
