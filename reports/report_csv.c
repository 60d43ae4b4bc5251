/* The report as CSV (RFC 4180, with line ends of one character): all of it as table,row,figure,value, or one table with its
 * own columns. Figures are those of the JSON, and as exact; what has no value is empty, truths are true and false. */
#include "reports/format.h"
#include "reports/report_rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void write_text(struct sink *sink, const char *text) {
  char *clean = format_clean(text, false);
  if (!clean) {
    sink_fail(sink, ENOMEM);
    return;
  }
  if (!strpbrk(clean, ",\"\r\n") && clean[0] != ' ') {
    sink_print(sink, "%s", clean);
  } else {
    sink_print(sink, "\"");
    for (const char *c = clean; *c; c++) {
      sink_print(sink, *c == '"' ? "\"\"" : "%c", *c);
    }
    sink_print(sink, "\"");
  }
  free(clean);
}

static void write_cell(struct sink *sink, const struct report_column *column, const struct report_cell *cell) {
  if (!cell->known) {
    return;
  }
  switch (column->kind) {
  case CELL_TEXT:
    write_text(sink, cell->text);
    break;
  case CELL_BOOL:
    sink_print(sink, "%s", cell->number ? "true" : "false");
    break;
  case CELL_PERCENT:
  case CELL_COSINE:
  case CELL_ERROR:
    sink_print(sink, "%.10g", cell->real);
    break;
  default:
    sink_print(sink, "%" PRId64, cell->number);
  }
}

static void write_titles(struct sink *sink, const struct report_table *table) {
  bool any = false;
  for (size_t i = 0; i < table->columns_count; i++) {
    if (table->columns[i].key) {
      sink_print(sink, "%s%s", any ? "," : "", table->columns[i].key);
      any = true;
    }
  }
  sink_print(sink, "\n");
}

static void write_wide(struct sink *sink, const struct report_table *table, const struct report_cell *cells) {
  bool any = false;
  for (size_t i = 0; i < table->columns_count; i++) {
    if (table->columns[i].key) {
      sink_print(sink, "%s", any ? "," : "");
      write_cell(sink, &table->columns[i], &cells[i]);
      any = true;
    }
  }
  sink_print(sink, "\n");
}

static void write_long(struct sink *sink, const struct report_table *table, const struct report_cell *cells) {
  for (size_t i = table->single ? 0 : 1; i < table->columns_count; i++) {
    if (!table->columns[i].key) {
      continue;
    }
    sink_print(sink, "%s,", table->name);
    if (!table->single) {
      write_cell(sink, &table->columns[0], &cells[0]);
    }
    sink_print(sink, ",%s,", table->columns[i].key);
    write_cell(sink, &table->columns[i], &cells[i]);
    sink_print(sink, "\n");
  }
}

static void write_table(struct sink *sink, struct report_rows *rows, const struct report_table *table, bool wide) {
  size_t shown = report_table_shown(table, rows, false);
  for (size_t i = 0; i < shown; i++) {
    struct report_cell cells[REPORT_COLUMNS_MAX] = {{0}};
    table->row(rows, i, cells);
    if (wide) {
      write_wide(sink, table, cells);
    } else {
      write_long(sink, table, cells);
    }
  }
}

static void write_all(struct sink *sink, struct report_rows *rows, const struct report_table *tables, size_t count) {
  sink_print(sink, "table,row,figure,value\n");
  for (size_t i = 0; i < count; i++) {
    if (!tables[i].for_pages) {
      write_table(sink, rows, &tables[i], false);
    }
  }
}

void report_csv_tables(struct sink *sink, struct report_rows *rows, const struct report_table *tables, size_t count,
                       const struct report_table *only) {
  if (only) {
    write_titles(sink, only);
    write_table(sink, rows, only, true);
  } else {
    write_all(sink, rows, tables, count);
  }
}

void report_csv_emit(struct sink *sink, const struct facts *facts, const struct report_options *options) {
  size_t count;
  const struct report_table *tables = report_tables(&count);
  struct report_rows rows;
  if (report_rows_init(&rows, facts, options) != 0) {
    sink_fail(sink, ENOMEM);
  } else {
    report_csv_tables(sink, &rows, tables, count, options->table ? report_table_find(options->table) : NULL);
  }
  report_rows_fini(&rows);
}
