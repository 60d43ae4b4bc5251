/* Half-made files go when they are told to, and only those that are still half-made. */
#include "common/temporary.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MANY = 20 };
static char paths[MANY][64];

static void make(size_t i) {
  snprintf(paths[i], sizeof paths[i], "/tmp/test_temporary.XXXXXX");
  const int file = mkstemp(paths[i]);
  cr_assert_geq(file, 0);
  close(file);
}

static bool is_there(size_t i) {
  return access(paths[i], F_OK) == 0;
}

Test(temporary, those_that_are_named_go) {
  for (size_t i = 0; i < 3; i++) {
    make(i);
    temporary_add(paths[i]);
  }
  temporary_drop(paths[1]);
  temporary_drop(paths[1]); /* twice, and what never was */
  temporary_drop("/tmp/never");
  temporary_drop(NULL);
  temporary_add(NULL);
  temporary_remove_all();
  cr_expect(!is_there(0) && is_there(1) && !is_there(2));
  make(0);
  temporary_remove_all();
  cr_expect(is_there(0), "it was forgotten when it was removed");
  unlink(paths[0]);
  unlink(paths[1]);
}

/* More than there is room for: what is not noted stays, and room that was given back is used again. */
Test(temporary, many) {
  size_t left = 0;
  for (size_t i = 0; i < MANY; i++) {
    make(i);
    temporary_add(paths[i]);
  }
  temporary_remove_all();
  for (size_t i = 0; i < MANY; i++) {
    left += is_there(i);
    unlink(paths[i]);
  }
  cr_expect(left > 0 && left < MANY, "%zu", left);
  make(0);
  temporary_add(paths[0]);
  temporary_remove_all();
  cr_expect(!is_there(0));
}
