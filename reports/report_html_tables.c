/* Tables of the HTML report. A cell that is a number carries it as it is, for sorting, beside what people read. */
#include "reports/report_html.h"

#include "reports/format.h"
#include "reports/html.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct report_table *find(const char *name) {
  size_t count;
  const struct report_table *tables = report_tables(&count);
  for (size_t i = 0; i < count; i++) {
    if (strcmp(tables[i].name, name) == 0) {
      return &tables[i];
    }
  }
  return NULL;
}

bool html_table_has(const struct html_page *page, const char *name) {
  return find(name)->count(page->rows) > 0;
}

static bool is_text(enum cell_kind kind) {
  return kind == CELL_TEXT || kind == CELL_BOOL;
}

/* A name: "saved_activation" is a category, "at::native::linear" and "blocks.*.mlp" are code. */
static bool is_name(const struct report_column *column) {
  static const char *const words[] = {"why", "category", "eligible", "type", "phase"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (strcmp(column->title, words[i]) == 0) {
      return false;
    }
  }
  return column->kind == CELL_TEXT;
}

static bool is_site(const struct report_column *column) {
  return strcmp(column->title, "site") == 0;
}

static bool is_layer(const struct report_column *column) {
  return column->key && strcmp(column->key, "layer") == 0;
}

static bool is_category(const struct report_column *column) {
  return column->key && strcmp(column->key, "category") == 0;
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

static void write_content(struct sink *sink, const struct report_column *column, const struct report_cell *cell) {
  char text[FORMAT_SIZE], category[64];
  if (!cell->known || column->kind != CELL_TEXT) {
    sink_print(sink, "%s", report_cell_words(text, column->kind, cell));
  } else if (is_category(column)) { /* one of ours: its name is its colour's, too */
    snprintf(category, sizeof category, "%s", cell->text);
    for (char *c = category; *c; c++) {
      *c = *c == '_' ? ' ' : *c;
    }
    sink_print(sink, "<i class=\"chip\" style=\"--c:var(--%s)\"></i>%s", cell->text, category);
  } else if (!cell->text[0]) {
    sink_print(sink, is_layer(column) ? "(in no layer)" : "-");
  } else {
    html_text(sink, cell->text);
  }
}

/* " data-v=..." with what the cell is sorted by; texts are sorted by themselves. */
static void write_value(struct sink *sink, enum cell_kind kind, const struct report_cell *cell) {
  if (!cell->known || is_text(kind)) {
    return;
  }
  if (kind == CELL_PERCENT || kind == CELL_COSINE || kind == CELL_ERROR) {
    sink_print(sink, " data-v=\"%.10g\"", cell->real);
  } else {
    sink_print(sink, " data-v=\"%" PRId64 "\"", cell->number);
  }
}

static void write_cell(struct sink *sink, const struct report_column *column, const struct report_cell *cell,
                       bool first) {
  const char *element = first ? "th scope=\"row\"" : "td";
  sink_print(sink, "<%s", element);
  if (column->kind == CELL_PERCENT && cell->known) {
    const double share = cell->real < 0 ? 0 : cell->real > 100 ? 100 : cell->real;
    sink_print(sink, " class=\"n share\" style=\"--p:%.1f%%\"", share);
  } else if (!is_text(column->kind)) {
    sink_print(sink, cell->number || cell->real != 0 ? " class=\"n\"" : " class=\"n none\"");
  } else if (is_name(column)) {
    sink_print(sink, is_site(column) ? " class=\"name site\"" : " class=\"name\"");
  } else if (is_category(column)) {
    sink_print(sink, " class=\"word\"");
  }
  write_value(sink, column->kind, cell);
  sink_print(sink, ">");
  write_content(sink, column, cell);
  sink_print(sink, "</%.2s>", element);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Columns without a title are for programs. A key is what the JSON calls the figure. */
static void write_titles(struct sink *sink, const struct report_table *table) {
  sink_print(sink, "<thead><tr>");
  for (size_t i = 0; i < table->columns_count; i++) {
    const struct report_column *column = &table->columns[i];
    if (column->title) {
      sink_print(sink, "<th scope=\"col\"%s", is_text(column->kind) ? "" : " class=\"n\"");
      if (column->key) {
        sink_print(sink, " data-key=\"%s\"", column->key);
      }
      sink_print(sink, ">%s</th>", column->title);
    }
  }
  sink_print(sink, "</tr></thead>\n");
}

static void write_row(const struct html_page *page, const struct report_table *table, size_t index) {
  struct report_cell cells[REPORT_COLUMNS_MAX] = {{0}};
  bool first = true;
  table->row(page->rows, index, cells);
  sink_print(page->sink, "<tr>");
  for (size_t i = 0; i < table->columns_count; i++) {
    if (table->columns[i].title) {
      write_cell(page->sink, &table->columns[i], &cells[i], first);
      first = false;
    }
  }
  sink_print(page->sink, "</tr>\n");
}

/* What is empty is not told. */
static void write_terms(const struct html_page *page, const struct report_table *table) {
  struct report_cell cells[REPORT_COLUMNS_MAX] = {{0}};
  table->row(page->rows, 0, cells);
  sink_print(page->sink, "<dl class=\"facts\" id=\"table-%s\">\n", table->name);
  for (size_t i = 0; i < table->columns_count; i++) {
    const struct report_column *column = &table->columns[i];
    if (!column->title || !cells[i].known || (column->kind == CELL_TEXT && !cells[i].text[0])) {
      continue;
    }
    sink_print(page->sink, "<div><dt>%s</dt><dd", column->title);
    if (column->key) {
      sink_print(page->sink, " data-key=\"%s\"", column->key);
    }
    write_value(page->sink, column->kind, &cells[i]);
    sink_print(page->sink, ">");
    write_content(page->sink, column, &cells[i]);
    sink_print(page->sink, "</dd></div>\n");
  }
  sink_print(page->sink, "</dl>\n");
}

/* The region can be scrolled by keys where the table is wider than the screen. */
void html_table(const struct html_page *page, const char *name, const char *caption) {
  const struct report_table *table = find(name);
  const size_t count = table->count(page->rows), shown = report_table_shown(table, page->rows, true);
  char rest[REPORT_REST_SIZE];
  if (!count) {
    return;
  }
  if (table->single) {
    write_terms(page, table);
    return;
  }
  sink_print(page->sink,
             "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"%s\">\n<table id=\"table-%s\"%s>\n"
             "<caption>%s</caption>\n",
             caption, name, table->is_list ? " class=\"list\"" : "", caption);
  write_titles(page->sink, table);
  sink_print(page->sink, "<tbody>\n");
  for (size_t i = 0; i < shown; i++) {
    write_row(page, table, i);
  }
  sink_print(page->sink, "</tbody>\n</table>\n</div>\n");
  if (shown < count) {
    sink_print(page->sink, "<p class=\"rest\">%s</p>\n", report_table_rest(table, page->rows, rest));
  }
}
