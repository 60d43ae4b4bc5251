/* Lines of instructions, by tables of real interpreters: CPython 3.9.18, 3.10.13, 3.11.7, 3.12.1 and 3.13.0 compiled the
 * function below, which begins at line 41, and told the truth by code.co_lines (3.9: dis.findlinestarts).
 *
 *     def f(x,
 *           y):
 *         """doc"""
 *         for i in range(3):
 *             x = (i +
 *                  g(y,
 *                    i))
 *         try:
 *             with x as z: pass
 *         except KeyError:
 *
 *             pass
 *     (200 empty lines)
 *         return [a
 *                 for a in x]
 */
#include "profiler/python_lines.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct run {
  uint32_t offset, line; /* from this instruction on; 0: no line */
};

// clang-format off
static const uint8_t table_3_9[] = {0, 3, 12, 1, 2, 1, 4, 1, 2, 255, 2, 255, 6, 3, 2, 1, 40, 1, 12, 2, 6, 127, 0, 75,
    6, 1, 2, 255};
static const struct run runs_3_9[] = {{0, 44}, {12, 45}, {14, 46}, {18, 47}, {20, 46}, {22, 45}, {28, 48}, {30, 49},
    {70, 50}, {82, 52}, {88, 254}, {94, 255}, {96, 254}};
static const uint8_t table_3_10[] = {12, 3, 2, 1, 4, 1, 2, 1, 2, 255, 6, 255, 2, 3, 36, 1, 4, 128, 12, 1, 4, 2, 2,
    254, 0, 127, 6, 77, 2, 1, 6, 255};
static const struct run runs_3_10[] = {{0, 44}, {12, 45}, {14, 46}, {18, 47}, {20, 46}, {22, 45}, {28, 48}, {30, 49},
    {66, 0}, {70, 50}, {82, 52}, {86, 50}, {88, 254}, {94, 255}, {96, 254}};
static const uint8_t table_3_11[] = {128, 0, 245, 6, 0, 14, 19, 144, 49, 137, 88, 140, 88, 240, 0, 3, 5, 19, 240, 0,
    3, 5, 19, 136, 1, 216, 13, 14, 221, 13, 14, 136, 113, 216, 15, 16, 241, 3, 1, 14, 18, 244, 0, 1, 14, 18, 241, 3,
    2, 14, 18, 136, 1, 136, 1, 240, 6, 4, 5, 13, 216, 13, 14, 208, 8, 25, 144, 33, 208, 8, 25, 208, 8, 25, 208, 8, 25,
    209, 8, 25, 212, 8, 25, 208, 8, 25, 208, 8, 25, 208, 8, 25, 208, 8, 25, 208, 8, 25, 208, 8, 25, 248, 248, 248,
    208, 8, 25, 208, 8, 25, 208, 8, 25, 208, 8, 25, 248, 248, 221, 11, 19, 240, 0, 2, 5, 13, 240, 0, 2, 5, 13, 240, 0,
    2, 5, 13, 224, 8, 12, 136, 4, 240, 5, 2, 5, 13, 248, 248, 248, 240, 88, 6, 1, 12, 24, 240, 0, 1, 12, 24, 216, 21,
    22, 240, 3, 1, 12, 24, 241, 0, 1, 12, 24, 244, 0, 1, 12, 24, 240, 0, 1, 5, 24};
static const struct run runs_3_11[] = {{0, 41}, {2, 44}, {36, 45}, {38, 46}, {52, 47}, {54, 46}, {68, 45}, {76, 48},
    {78, 49}, {116, 0}, {122, 49}, {130, 0}, {134, 50}, {152, 52}, {156, 50}, {158, 0}, {164, 254}, {168, 255}, {170,
    254}};
static const uint8_t table_3_12[] = {128, 0, 244, 6, 0, 14, 19, 144, 49, 139, 88, 242, 0, 3, 5, 19, 136, 1, 216, 13,
    14, 220, 13, 14, 136, 113, 216, 15, 16, 243, 3, 1, 14, 18, 241, 3, 2, 14, 18, 137, 1, 240, 3, 3, 5, 19, 240, 8, 4,
    5, 13, 216, 13, 14, 208, 8, 25, 144, 33, 215, 8, 25, 240, 92, 6, 0, 22, 23, 246, 3, 1, 12, 24, 216, 16, 17, 242,
    3, 0, 13, 14, 242, 0, 1, 12, 24, 240, 0, 1, 5, 24, 247, 91, 6, 0, 9, 26, 208, 8, 25, 251, 220, 11, 19, 242, 0, 2,
    5, 13, 225, 8, 12, 240, 5, 2, 5, 13, 252, 242, 88, 6, 1, 12, 24};
static const struct run runs_3_12[] = {{0, 41}, {2, 44}, {30, 45}, {32, 46}, {44, 47}, {46, 46}, {54, 45}, {62, 44},
    {64, 48}, {66, 49}, {88, 255}, {90, 254}, {104, 255}, {106, 254}, {120, 49}, {138, 0}, {146, 50}, {162, 52}, {166,
    50}, {168, 0}, {178, 254}};
static const uint8_t table_3_13[] = {128, 0, 244, 6, 0, 14, 19, 144, 49, 142, 88, 136, 1, 216, 13, 14, 220, 13, 14,
    136, 113, 216, 15, 16, 243, 3, 1, 14, 18, 241, 3, 2, 14, 18, 138, 1, 241, 3, 0, 14, 22, 240, 8, 4, 5, 13, 217, 13,
    14, 144, 33, 143, 81, 241, 92, 6, 0, 22, 23, 243, 3, 1, 12, 24, 217, 21, 22, 144, 1, 243, 3, 0, 13, 14, 217, 21,
    22, 241, 3, 1, 12, 24, 240, 0, 1, 5, 24, 247, 91, 6, 0, 14, 15, 141, 81, 251, 220, 11, 19, 243, 0, 2, 5, 13, 225,
    8, 12, 240, 5, 2, 5, 13, 252, 242, 88, 6, 1, 12, 24};
static const struct run runs_3_13[] = {{0, 41}, {2, 44}, {30, 45}, {32, 46}, {44, 47}, {46, 46}, {54, 45}, {64, 44},
    {68, 48}, {70, 49}, {92, 255}, {96, 254}, {104, 255}, {110, 254}, {118, 255}, {122, 254}, {128, 49}, {156, 0},
    {164, 50}, {182, 52}, {186, 50}, {188, 0}, {198, 254}};
// clang-format on

enum { FIRST_LINE = 41 };

#define CASE(version, form, end)                                                                                       \
  { form, table_##version, sizeof table_##version, runs_##version, sizeof runs_##version / sizeof(struct run), end }
static const struct {
  enum python_lines_form form;
  const uint8_t *table;
  size_t size;
  const struct run *runs;
  size_t count;
  uint32_t end; /* bytes of code */
} cases[] = {
    CASE(3_9, PYTHON_LINES_STEPS, 102),      CASE(3_10, PYTHON_LINES_RANGES, 102),
    CASE(3_11, PYTHON_LINES_LOCATIONS, 188), CASE(3_12, PYTHON_LINES_LOCATIONS, 184),
    CASE(3_13, PYTHON_LINES_LOCATIONS, 204),
};
enum { CASES = sizeof cases / sizeof *cases };

Test(python_lines, are_those_that_each_version_says) {
  for (size_t i = 0; i < CASES; i++) {
    size_t run = 0;
    for (uint32_t offset = 0; offset < cases[i].end; offset += 2) {
      run += run + 1 < cases[i].count && cases[i].runs[run + 1].offset == offset;
      cr_expect_eq(python_lines_find(cases[i].form, cases[i].table, cases[i].size, FIRST_LINE, offset),
                   cases[i].runs[run].line, "case %zu, offset %u", i, offset);
    }
    cr_expect_eq(run + 1, cases[i].count);
  }
}

/* In memory of exactly its size, so that a sanitizer sees any byte read behind it. */
static void find_all(enum python_lines_form form, const uint8_t *bytes, size_t size) {
  uint8_t *table = malloc(size + !size);
  cr_assert_not_null(table);
  memcpy(table, bytes, size);
  for (uint32_t offset = 0; offset < 300; offset += 2) {
    (void)python_lines_find(form, table, size, FIRST_LINE, offset);
  }
  (void)python_lines_find(form, table, size, UINT32_MAX, UINT32_MAX);
  free(table);
}

Test(python_lines, tables_that_are_cut_or_none_at_all) {
  for (size_t i = 0; i < CASES; i++) {
    for (size_t size = 0; size < cases[i].size; size++) {
      find_all(cases[i].form, cases[i].table, size);
    }
  }
  uint8_t noise[64];
  srand(7);
  for (int round = 0; round < 2000; round++) {
    for (size_t i = 0; i < sizeof noise; i++) {
      noise[i] = (uint8_t)rand();
    }
    find_all((enum python_lines_form)(round % 3), noise, (size_t)round % sizeof noise);
  }
}

Test(python_lines, behind_the_last_entry_there_is_no_line) {
  cr_expect_eq(python_lines_find(PYTHON_LINES_RANGES, table_3_10, sizeof table_3_10, FIRST_LINE, 5000), 0);
  cr_expect_eq(python_lines_find(PYTHON_LINES_LOCATIONS, table_3_13, sizeof table_3_13, FIRST_LINE, 5000), 0);
  cr_expect_eq(python_lines_find(PYTHON_LINES_STEPS, NULL, 0, FIRST_LINE, 0), FIRST_LINE, "one line, no steps");
}
