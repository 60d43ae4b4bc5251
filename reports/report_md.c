/* The report as Markdown with GitHub's tables: the page's figures, in its words, for an issue or a wiki. */
#include "reports/format.h"
#include "reports/report_rows.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names of templates and of pointers are full of what Markdown takes for marks; an underscore within a word is none. */
static bool is_mark(const char *text, const char *c) {
  if (*c == '_' && c > text && isalnum((unsigned char)c[-1]) && isalnum((unsigned char)c[1])) {
    return false;
  }
  return strchr("\\`*_[]<>|~#&", *c) != NULL;
}

void report_md_text(struct sink *sink, const char *text) {
  char *clean = format_clean(text, true);
  if (!clean) {
    sink_fail(sink, ENOMEM);
    return;
  }
  for (const char *c = clean; *c; c++) {
    sink_print(sink, is_mark(clean, c) ? "\\%c" : "%c", *c);
  }
  free(clean);
}

static void write_cell(struct sink *sink, const struct report_column *column, const struct report_cell *cell) {
  char text[FORMAT_SIZE];
  if (cell->known && column->kind == CELL_TEXT) {
    report_md_text(sink, cell->text);
  } else {
    sink_print(sink, "%s", report_cell_words(text, column->kind, cell));
  }
}

/* ": " with the figure, for a table of one row: a list reads better than a row of fourteen columns. */
static void write_single(struct sink *sink, const struct report_table *table, const struct report_cell *cells) {
  for (size_t i = 0; i < table->columns_count; i++) {
    bool empty = !cells[i].known || (table->columns[i].kind == CELL_TEXT && !cells[i].text[0]);
    if (table->columns[i].title && !empty) {
      sink_print(sink, "- %s: ", table->columns[i].title);
      write_cell(sink, &table->columns[i], &cells[i]);
      sink_print(sink, "\n");
    }
  }
}

static void write_titles(struct sink *sink, const struct report_table *table) {
  for (size_t i = 0; i < table->columns_count; i++) {
    if (table->columns[i].title) {
      sink_print(sink, "| %s ", table->columns[i].title);
    }
  }
  sink_print(sink, "|\n");
  for (size_t i = 0; i < table->columns_count; i++) {
    if (table->columns[i].title) {
      sink_print(sink, "%s", table->columns[i].kind == CELL_TEXT ? "| --- " : "| ---: ");
    }
  }
  sink_print(sink, "|\n");
}

static void write_row(struct sink *sink, const struct report_table *table, const struct report_cell *cells) {
  for (size_t i = 0; i < table->columns_count; i++) {
    if (table->columns[i].title) {
      sink_print(sink, "| ");
      write_cell(sink, &table->columns[i], &cells[i]);
      sink_print(sink, " ");
    }
  }
  sink_print(sink, "|\n");
}

static void write_table(struct sink *sink, struct report_rows *rows, const struct report_table *table) {
  size_t count = table->count(rows), shown = report_table_shown(table, rows, true);
  char rest[REPORT_REST_SIZE];
  if (!count) {
    return;
  }
  sink_print(sink, "\n## %s\n\n", table->title);
  if (!table->single) {
    write_titles(sink, table);
  }
  for (size_t i = 0; i < shown; i++) {
    struct report_cell cells[REPORT_COLUMNS_MAX] = {{0}};
    table->row(rows, i, cells);
    if (table->single) {
      write_single(sink, table, cells);
    } else {
      write_row(sink, table, cells);
    }
  }
  if (shown < count) {
    sink_print(sink, "\n%s\n", report_table_rest(table, rows, rest));
  }
}

static void write_headline(struct sink *sink, const struct facts *facts) {
  char bytes[FORMAT_SIZE], percent[FORMAT_SIZE];
  uint64_t saved = facts->categories[CATEGORY_SAVED_ACTIVATION];
  sink_print(sink, "# Memory of ");
  report_md_text(sink, facts->run.command ? facts->run.command : "");
  sink_print(sink, "\n\nThe heap peaked at **%s**", format_bytes(bytes, facts->peak.bytes));
  if (saved) {
    sink_print(sink, "; **%s** of that is activations saved for backward",
               format_percent(percent, (double)saved, (double)facts->peak.bytes));
  }
  sink_print(sink, ".\n");
}

void report_md_tables(struct sink *sink, struct report_rows *rows, const struct report_table *tables, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!tables[i].for_programs) {
      write_table(sink, rows, &tables[i]);
    }
  }
}

void report_md_emit(struct sink *sink, const struct facts *facts, const struct report_options *options) {
  size_t count;
  const struct report_table *tables = report_tables(&count);
  struct report_rows rows;
  if (report_rows_init(&rows, facts, options) != 0) {
    sink_fail(sink, ENOMEM);
  } else {
    write_headline(sink, facts);
    report_md_tables(sink, &rows, tables, count);
  }
  report_rows_fini(&rows);
}
