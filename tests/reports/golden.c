/* Golden files. */
#include "tests/reports/golden.h"

#include "reports/format.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_golden(const char *path, const char *text, size_t size) {
  FILE *file = fopen(path, "w");
  cr_assert_not_null(file, "cannot write %s", path);
  cr_assert_eq(fwrite(text, 1, size, file), size);
  cr_assert_eq(fclose(file), 0);
}

static char *read_golden(const char *path, size_t *size) {
  FILE *file = fopen(path, "r");
  char *text = malloc(1 << 20);
  cr_assert(file && text, "cannot read %s; ACTSCOPE_UPDATE_GOLDEN=1 makes it", path);
  *size = fread(text, 1, (1 << 20) - 1, file);
  text[*size] = '\0';
  fclose(file);
  return text;
}

static int first_different_line(const char *a, const char *b) {
  int line = 1;
  for (; *a && *a == *b; a++, b++) {
    line += *a == '\n';
  }
  return line;
}

void golden_expect(const char *name, const char *text, size_t size) {
  const char *source = getenv("ACTSCOPE_SOURCE"); /* set by ctest; else tests run in the source folder */
  char path[512], *expected;
  size_t expected_size;
  snprintf(path, sizeof path, "%s/tests/golden/%s", source ? source : ".", name);
  if (getenv("ACTSCOPE_UPDATE_GOLDEN")) {
    write_golden(path, text, size);
    return;
  }
  expected = read_golden(path, &expected_size);
  cr_expect(size == expected_size && memcmp(text, expected, size) == 0,
            "%s differs from line %d on (ACTSCOPE_UPDATE_GOLDEN=1 accepts the new text, which is:)\n%s", name,
            first_different_line(text, expected), text);
  free(expected);
}

void golden_expect_within(const char *text, int columns) {
  char *copy = strdup(text), *rest = copy;
  for (char *line; (line = strsep(&rest, "\n"));) {
    cr_expect_leq(format_width(line), columns, "too wide: %s", line);
    cr_expect(!*line || line[strlen(line) - 1] != ' ', "ends in blanks: '%s'", line);
  }
  free(copy);
}
