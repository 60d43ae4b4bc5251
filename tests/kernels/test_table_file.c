/* Tables in text: what is read, what is refused, and how that is said. */
#include "kernels/table_file.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse(struct table_file *table, const char *text, size_t size, struct error *err) {
  char *copy = malloc(size + 1);
  memcpy(copy, text, size);
  copy[size] = 0;
  const int code = table_file_parse(table, copy, size, 2, "own.csv", err);
  free(copy);
  return code;
}

Test(table_file, read) {
  static const char *const texts[] = {"1,2\n3,4\n",
                                      "1 2\n3 4",
                                      "1;2\r\n3;4\r\n",
                                      "\t1,\t2\n\n  \n3,4,\n",
                                      "x,slope\n1,2\n3,4\n",
                                      "\"x\",\"f'\"\n1,2\n3,4\n",
                                      "info\nmore words\n1,2\n3,4\n",
                                      "# from 5,6\n1,2 # 7\n3,4#8\n",
                                      "\xef\xbb\xbf 1,2\n3,4\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct table_file table;
    struct error err;
    cr_assert_eq(parse(&table, texts[i], strlen(texts[i]), &err), 0, "'%s': %s", texts[i], err.message);
    cr_assert_eq(table.rows, 2u, "'%s': %zu rows", texts[i], table.rows);
    for (int k = 0; k < 4; k++) {
      cr_expect_eq(table.cells[k], k + 1, "'%s'", texts[i]);
    }
    table_file_fini(&table);
  }
}

/* A row is never taken for a heading: that would lose it. */
Test(table_file, refused) {
  static const struct {
    const char *text;
    int line;
  } rows[] = {{"1,o.5\n3,4\n", 1},  {"-1,\n3,4\n", 1},   {"1e999,2\n3,4\n", 1},      {"nan,2\n3,4\n", 1},
              {"inf 2\n3,4\n", 1},  {"1,2,3\n3,4\n", 1}, {"1,2\nx,slope\n3,4\n", 2}, {"1,2\n3,4x\n", 2},
              {"1,2\n3\n5,6\n", 2}, {"a\n1,5;2,5\n", 2}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct table_file table;
    struct error err;
    char expected[80];
    cr_expect_eq(parse(&table, rows[i].text, strlen(rows[i].text), &err), ERROR_INPUT, "'%s'", rows[i].text);
    snprintf(expected, sizeof expected, "own.csv: line %d: 2 numbers were expected", rows[i].line);
    cr_expect_str_eq(err.message, expected, "'%s': %s", rows[i].text, err.message);
    table_file_fini(&table);
  }
}

Test(table_file, no_text) {
  struct table_file table;
  struct error err;
  cr_expect_eq(parse(&table, "1,2\n3,4\0\n", 9, &err), ERROR_INPUT);
  cr_expect_str_eq(err.message, "own.csv: is no text");
  table_file_fini(&table);
  cr_expect_eq(parse(&table, "", 0, &err), 0);
  cr_expect_eq(table.rows, 0u);
  table_file_fini(&table);
}

Test(table_file, rows_and_bytes_are_limited) {
  enum { MOST = 65536, LARGE = (1 << 26) + 1 };
  struct table_file table;
  struct error err;
  char *folder = folder_make(), *text = malloc(LARGE);
  const struct path path = path_join(folder, "own.csv");
  for (int i = 0; i <= MOST; i++) {
    memcpy(text + 4 * i, "1,2\n", 4);
  }
  cr_expect_eq(parse(&table, text, 4 * MOST, &err), 0);
  cr_expect_eq(table.rows, MOST);
  table_file_fini(&table);
  cr_expect_eq(parse(&table, text, 4 * (MOST + 1), &err), ERROR_INPUT);
  cr_expect_str_eq(err.message, "own.csv: more than 65536 rows");
  table_file_fini(&table);
  memset(text, ' ', LARGE);
  file_write(path.text, text, LARGE);
  cr_expect_eq(table_file_read(&table, path.text, 2, &err), ERROR_INPUT);
  cr_expect(strstr(err.message, "own.csv: more than 64 MiB"), "%s", err.message);
  table_file_fini(&table);
  cr_expect_eq(table_file_read(&table, folder, 2, &err), ERROR_IO);
  cr_expect(strstr(err.message, "cannot read: Is a directory"), "%s", err.message);
  table_file_fini(&table);
  free(text);
  folder_remove(folder);
}
