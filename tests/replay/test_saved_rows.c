/* Grouping and sums of rows made by hand. */
#include "kernels/replay/saved_rows.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct saved_rows make(const struct saved_row *rows, size_t count) {
  struct saved_rows made = {malloc(count * sizeof *rows), count};
  memcpy(made.rows, rows, count * sizeof *rows);
  return made;
}

static void expect(const struct saved_rows *rows, size_t at, const char *layer, const char *op, size_t layers,
                   size_t bytes) {
  cr_assert_lt(at, rows->count);
  const struct saved_row *row = &rows->rows[at];
  cr_expect_str_eq(row->layer, layer);
  cr_expect_str_eq(row->op, op);
  cr_expect_eq(row->layers, layers, "%s: %zu layers", layer, row->layers);
  cr_expect_eq(row->bytes, bytes, "%s: %zu bytes", layer, row->bytes);
}

Test(saved_rows, groups_what_is_alike) {
  const struct saved_row rows[] = {
      {"wte", "embedding", 1, 1, 0},       {"blocks.0.act", "gelu", 1, 1, 100},  {"blocks.0.fc", "addmm", 1, 1, 50},
      {"blocks.1.act", "gelu", 1, 1, 100}, {"blocks.1.fc", "addmm", 1, 1, 60},   {"blocks.10.act", "gelu", 1, 1, 100},
      {"blocks.2.fc", "addmm", 1, 1, 50},  {"blocks.2x.act", "gelu", 1, 1, 100}, {"", "log_softmax", 1, 1, 7}};
  struct saved_rows grouped = make(rows, sizeof rows / sizeof *rows);
  const size_t before = saved_rows_bytes(&grouped);
  saved_rows_group(&grouped);
  cr_assert_eq(grouped.count, 6);
  expect(&grouped, 0, "wte", "embedding", 1, 0);
  expect(&grouped, 1, "blocks.*.act", "gelu", 3, 300);
  expect(&grouped, 2, "blocks.*.fc", "addmm", 2, 100);
  expect(&grouped, 3, "blocks.1.fc", "addmm", 1, 60);
  expect(&grouped, 4, "blocks.2x.act", "gelu", 1, 100);
  expect(&grouped, 5, "", "log_softmax", 1, 7);
  cr_expect_eq(saved_rows_bytes(&grouped), before);
  saved_rows_fini(&grouped);
}

Test(saved_rows, sums_by_op) {
  const struct saved_row rows[] = {
      {"a", "addmm", 1, 1, 10}, {"b.*", "gelu", 4, 4, 400}, {"c", "addmm", 1, 2, 30}, {"d", "mul", 1, 1, 0}};
  struct saved_rows all = make(rows, 4), by_op;
  cr_assert_eq(saved_rows_by_op(&all, &by_op, NULL), 0);
  cr_assert_eq(by_op.count, 3);
  expect(&by_op, 0, "", "gelu", 4, 400);
  expect(&by_op, 1, "", "addmm", 2, 40);
  expect(&by_op, 2, "", "mul", 1, 0);
  cr_expect_eq(by_op.rows[1].nodes, 3);
  saved_rows_fini(&all);
  saved_rows_fini(&by_op);
  saved_rows_fini(&by_op);
}
