/* The progress line, for terminals of all widths. On a terminal it is seen in tests/e2e/test_shell_progress.py. */
#include "cli/progress.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const uint64_t second = 1000000000;
static char line[PROGRESS_LINE_SIZE];

static const char *plain(double share, uint64_t elapsed, size_t columns) {
  return progress_line(line, "reading the run", share, elapsed, columns, false);
}

Test(progress, bar_percent_and_rest) {
  cr_expect_str_eq(plain(0.5, second, 61), "actscope: reading the run  [=============             ]  50%");
  cr_expect_str_eq(plain(0, second, 61), "actscope: reading the run  [                          ]   0%");
  cr_expect_str_eq(plain(1, 60 * second, 61), "actscope: reading the run  [==========================] 100%");
  cr_expect_str_eq(plain(0.25, 10 * second, 60), "actscope: reading the run  [====          ]  25%  0:30 left");
}

/* Not in the first seconds, nor while there is next to nothing to go by; hours where there are some. */
Test(progress, rest_is_told_when_it_is_known) {
  cr_expect(!strstr(plain(0.5, second, 80), "left"));
  cr_expect(!strstr(plain(0.005, 100 * second, 80), "left"));
  cr_expect(strstr(plain(0.5, 90 * second, 80), "  1:30 left"), "%s", line);
  cr_expect(strstr(plain(0.1, 1000 * second, 80), "  2:30:00 left"), "%s", line);
  cr_expect(!strstr(plain(0.01, 100000 * second, 80), "left"), "%s", line);
}

Test(progress, share_out_of_range) {
  cr_expect(strstr(plain(-3, second, 80), "]   0%"), "%s", line);
  cr_expect(strstr(plain(7, second, 80), "] 100%"), "%s", line);
}

/* Never as wide as the terminal: the cursor stands behind the line. What there is no room for goes: bar, rest, label. */
Test(progress, fits_every_width) {
  for (size_t columns = 0; columns <= 200; columns++) {
    const size_t length = strlen(plain(0.3, 10 * second, columns));
    cr_expect(length < columns || length == 0, "%zu columns: %zu", columns, length);
  }
  cr_expect_str_eq(plain(0.3, 10 * second, 49), "actscope: reading the run  30%  0:23 left");
  cr_expect_str_eq(plain(0.3, 10 * second, 32), "actscope: reading the run  30%");
  cr_expect_str_eq(plain(0.3, 10 * second, 20), "actscope: reading t");
}

Test(progress, lines_of_a_bar_in_unicode) {
  progress_line(line, "x", 0.5, 0, 27, true);
  cr_expect_str_eq(line,
                   "actscope: x  \xe2\x94\x81\xe2\x94\x81\xe2\x94\x81\xe2\x94\x81\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80"
                   "\xe2\x94\x80  50%");
  size_t wide = 0;
  for (const char *at = progress_line(line, "x", 0.5, 0, 100, true); *at; at++) {
    wide += (*at & 0xc0) != 0x80;
  }
  cr_expect_lt(wide, 100);
}
