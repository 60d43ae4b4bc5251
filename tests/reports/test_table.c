/* Tables, paragraphs and bars: alignment with multi-byte names, cuts, wraps. */
#include "reports/format.h"
#include "reports/table.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct sink sink;
static struct error err;

static void set_up(void) {
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
}

static void expect_text(const char *text) {
  cr_assert_eq(sink_close(&sink, &err), 0);
  cr_expect_str_eq(sink.memory, text, "got:\n%s", sink.memory);
  free(sink.memory);
}

TestSuite(table, .init = set_up);

static const struct table_column columns[] = {
    {"name", COLUMN_FLEX, STYLE_BOLD}, {"bytes", COLUMN_RIGHT, STYLE_PLAIN}, {"", COLUMN_LEFT, STYLE_PLAIN}};

Test(table, aligns_by_columns_not_bytes) {
  struct table table;
  table_init(&table, &sink, columns, 3);
  table_cell(&table, "\xc3\xbc"
                     "ber");
  table_bytes(&table, 1024);
  table_cell(&table, "x");
  table_cell(&table, "\xe6\xbc\xa2");
  table_bytes(&table, 10);
  table_cell(&table, "");
  table_print(&table);
  expect_text("  name    bytes\n  \xc3\xbc"
              "ber  1.0 KiB  x\n  \xe6\xbc\xa2       10 B\n");
}

Test(table, cuts_the_flexible_column) {
  struct table table;
  sink.width = 30;
  table_init(&table, &sink, columns, 3);
  table_cell(&table, "torch::autograd::generated::GeluBackward0::apply");
  table_bytes(&table, 1024);
  table_cell(&table, "x");
  table_print(&table);
  expect_text("  name                bytes\n  torch::...:apply  1.0 KiB  x\n");
}

Test(table, colours_do_not_shift_columns) {
  struct table table;
  sink.color = true;
  table_init(&table, &sink, columns, 2);
  table_cell(&table, "a\033[31m");
  table_count(&table, 1234);
  table_print(&table);
  expect_text("  \033[2mname\033[0m    \033[2mbytes\033[0m\n  \033[1ma\xef\xbf\xbd[31m\033[0m  1,234\n");
}

Test(table, paragraph_wraps_at_words) {
  sink.width = 20;
  paragraph_print(&sink, STYLE_PLAIN, 4, "  * ", "one two three four averyveryverylongwordindeed end");
  expect_text("  * one two three\n    four\n    averyveryverylongwordindeed\n    end\n");
}

Test(table, empty_paragraph_is_a_line) {
  paragraph_print(&sink, STYLE_PLAIN, 4, "  x", "");
  expect_text("   x\n");
}

Test(table, bars) {
  static const struct {
    double share;
    const char *plain, *lines;
  } cases[] = {{0, "", ""},
               {0.001, "-", "\xe2\x95\xb8"},
               {0.5, "==", "\xe2\x94\x81\xe2\x94\x81"},
               {0.6, "==-", "\xe2\x94\x81\xe2\x94\x81\xe2\x95\xb8"},
               {1, "====", NULL},
               {7, "====", NULL},
               {-1, "", ""}};
  char out[BAR_SIZE];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cr_expect_str_eq(bar_format(out, cases[i].share, 4, false), cases[i].plain, "case %zu gives %s", i, out);
    if (cases[i].lines) {
      cr_expect_str_eq(bar_format(out, cases[i].share, 4, true), cases[i].lines, "case %zu gives %s", i, out);
    }
  }
  expect_text("");
}
