/* Names with a comma between them, and commas in names. */
#include "cli/tensors.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect(const char *text, const char *x, const char *dy) {
  char copy[64];
  const char *got_x = NULL, *got_dy = NULL;
  strcpy(copy, text);
  cr_expect(tensors_split(copy, &got_x, &got_dy), "%s", text);
  cr_expect(got_x && strcmp(got_x, x) == 0, "%s: %s", text, got_x);
  cr_expect(got_dy && strcmp(got_dy, dy) == 0, "%s: %s", text, got_dy);
}

Test(tensors, two_names) {
  expect("x.npy,dy.npy", "x.npy", "dy.npy");
  expect("/a/b c.npy,./d", "/a/b c.npy", "./d");
}

Test(tensors, commas_in_names) {
  expect("a\\,b.npy,c\\,d.npy", "a,b.npy", "c,d.npy");
  expect("a\\\\,b", "a\\", "b");
  expect("a\\b,c\\", "a\\b", "c\\");
  expect("\\,,\\,", ",", ",");
}

Test(tensors, refused) {
  static const char *const texts[] = {"", ",", "x", "x,", ",x", "x,y,z", "x\\,y", "x,,y"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    char copy[64];
    const char *x, *dy;
    strcpy(copy, texts[i]);
    cr_expect_not(tensors_split(copy, &x, &dy), "'%s'", texts[i]);
    cr_expect_str_eq(copy, texts[i]);
  }
}
