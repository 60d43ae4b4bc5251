/* Compares text with a golden file; with ACTSCOPE_UPDATE_GOLDEN=1 in the environment, writes the file instead. */
#ifndef ACTSCOPE_TESTS_REPORTS_GOLDEN_H
#define ACTSCOPE_TESTS_REPORTS_GOLDEN_H

#include <stddef.h>

/* name: a file of tests/golden; fails the running test with the first line that differs. */
void golden_expect(const char *name, const char *text, size_t size);

/* No line of the text is wider than so many columns, or ends in blanks. */
void golden_expect_within(const char *text, int columns);

#endif
