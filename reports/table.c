/* Text in columns: styles, wrapped paragraphs, bars, tables. */
#include "reports/table.h"

#include "reports/format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 2, GAP = 2, FLEX_MIN = 8 };

/* ---- styles and paragraphs ----------------------------------------------------------------------------------- */

static const char *style_begin(const struct sink *sink, enum style style) {
  static const char *const sequences[STYLE_COUNT] = {
      [STYLE_PLAIN] = "",          [STYLE_BOLD] = "\033[1m",  [STYLE_DIM] = "\033[2m",
      [STYLE_ACCENT] = "\033[36m", [STYLE_GOOD] = "\033[32m", [STYLE_WARN] = "\033[33m"};
  return sink->color ? sequences[style] : "";
}

static const char *style_end(const struct sink *sink, enum style style) {
  return sink->color && style != STYLE_PLAIN ? "\033[0m" : "";
}

void style_print(struct sink *sink, enum style style, const char *text) {
  if (*text) {
    sink_print(sink, "%s%s%s", style_begin(sink, style), text, style_end(sink, style));
  }
}

void section_print(struct sink *sink, const char *title) {
  char *clean = format_fit(title, sink->width, sink->unicode);
  if (!clean) {
    sink_fail(sink, ENOMEM);
    return;
  }
  sink_print(sink, "\n");
  style_print(sink, STYLE_BOLD, clean);
  sink_print(sink, "\n");
  free(clean);
}

/* Bytes of the words that fit into `columns`, at least one word; a word that is longer stands out. */
static size_t line_bytes(const char *text, int columns) {
  size_t fits = strcspn(text, " "), next = fits;
  while (text[next]) {
    size_t begin = next + strspn(text + next, " ");
    char *line;
    int width;
    next = begin + strcspn(text + begin, " ");
    line = strndup(text, next);
    width = line ? format_width(line) : columns + 1;
    free(line);
    if (width > columns) {
      break;
    }
    fits = next;
  }
  return fits;
}

void paragraph_continue(struct sink *sink, enum style style, int indent, const char *text) {
  char *clean = format_clean(text, true);
  const char *at = clean;
  if (!clean) {
    sink_fail(sink, ENOMEM);
    return;
  }
  sink_print(sink, "%s", *at ? "" : "\n");
  while (*at) {
    size_t size = line_bytes(at, sink->width - indent);
    sink_print(sink, "%s%.*s%s\n", style_begin(sink, style), (int)size, at, style_end(sink, style));
    at += size + strspn(at + size, " ");
    sink_print(sink, "%*s", *at ? indent : 0, "");
  }
  free(clean);
}

void paragraph_print(struct sink *sink, enum style style, int indent, const char *first, const char *text) {
  const int lead = indent - format_width(first);
  sink_print(sink, "%*s%s", lead > 0 ? lead : 0, "", first);
  paragraph_continue(sink, style, indent, text);
}

void item_print(struct sink *sink, enum style style, const char *text) {
  paragraph_print(sink, style, 4, sink->unicode ? "  \xe2\x80\xa2 " : "  * ", text);
}

void note_print(void *context, bool warns, const char *text) {
  struct notes *notes = context;
  if (!notes->any) {
    section_print(notes->sink, "Notes");
    notes->any = true;
  }
  item_print(notes->sink, warns ? STYLE_WARN : STYLE_PLAIN, text);
}

const char *bar_format(char out[static BAR_SIZE], double share, int columns, bool unicode) {
  char *to = out;
  int halves;
  columns = columns > 64 ? 64 : columns;
  halves = (int)(share * 2 * columns + 0.5);
  if (share > 0 && halves < 1) {
    halves = 1;
  }
  halves = halves < 0 ? 0 : halves > 2 * columns ? 2 * columns : halves;
  for (int i = 0; i < halves / 2; i++) {
    to = stpcpy(to, unicode ? "\xe2\x94\x81" : "="); /* U+2501, a heavy line; its left half is U+2578 */
  }
  if (halves % 2) {
    to = stpcpy(to, unicode ? "\xe2\x95\xb8" : "-");
  }
  *to = '\0';
  return out;
}

/* ---- tables -------------------------------------------------------------------------------------------------- */

void table_init(struct table *table, struct sink *sink, const struct table_column *columns, size_t count) {
  *table = (struct table){.sink = sink, .columns = columns, .columns_count = count};
}

void table_cell(struct table *table, const char *text) {
  if (table->cells_count == table->cells_capacity) {
    size_t capacity = table->cells_capacity ? 2 * table->cells_capacity : 64;
    char **cells = reallocarray(table->cells, capacity, sizeof *cells);
    if (!cells) {
      sink_fail(table->sink, ENOMEM);
      return;
    }
    table->cells = cells;
    table->cells_capacity = capacity;
  }
  table->cells[table->cells_count] = format_clean(text, true);
  if (!table->cells[table->cells_count++]) {
    sink_fail(table->sink, ENOMEM);
  }
}

void table_bytes(struct table *table, uint64_t bytes) {
  char text[FORMAT_SIZE];
  table_cell(table, format_bytes(text, bytes));
}

void table_count(struct table *table, uint64_t count) {
  char text[FORMAT_SIZE];
  table_cell(table, format_count(text, count));
}

void table_percent(struct table *table, double part, double all) {
  char text[FORMAT_SIZE];
  table_cell(table, format_percent(text, part, all));
}

static const char *cell_at(const struct table *table, size_t row, size_t column) {
  size_t index = row * table->columns_count + column;
  return index < table->cells_count && table->cells[index] ? table->cells[index] : "";
}

static bool has_titles(const struct table *table) {
  for (size_t c = 0; c < table->columns_count; c++) {
    if (table->columns[c].title[0]) {
      return true;
    }
  }
  return false;
}

static int column_width(const struct table *table, size_t column) {
  size_t rows = table->cells_count / table->columns_count;
  int widest = format_width(table->columns[column].title);
  for (size_t r = 0; r < rows; r++) {
    int width = format_width(cell_at(table, r, column));
    widest = width > widest ? width : widest;
  }
  return widest;
}

static void measure(const struct table *table, int *widths) {
  size_t flex = table->columns_count;
  int room = table->sink->width - INDENT - GAP * (int)(table->columns_count - 1);
  for (size_t c = 0; c < table->columns_count; c++) {
    widths[c] = column_width(table, c);
    if (table->columns[c].kind == COLUMN_FLEX) {
      flex = c;
    } else {
      room -= widths[c];
    }
  }
  if (flex < table->columns_count && widths[flex] > room) {
    widths[flex] = room > FLEX_MIN ? room : FLEX_MIN;
  }
}

static void print_cell(const struct table *table, size_t column, const char *text, int width, enum style style) {
  struct sink *sink = table->sink;
  bool last = column + 1 == table->columns_count;
  char *fitted = format_fit(text, width, sink->unicode);
  int pad;
  if (!fitted) {
    sink_fail(sink, ENOMEM);
    return;
  }
  pad = width - format_width(fitted);
  if (table->columns[column].kind == COLUMN_RIGHT) {
    sink_print(sink, "%*s", pad, "");
  }
  style_print(sink, style, fitted);
  if (table->columns[column].kind != COLUMN_RIGHT && !last) {
    sink_print(sink, "%*s", pad, "");
  }
  free(fitted);
}

static void print_titles(const struct table *table, const int *widths) {
  size_t last = table->columns_count;
  while (!table->columns[last - 1].title[0]) { /* has_titles: one is there */
    last--;
  }
  for (size_t c = 0; c < last; c++) {
    sink_print(table->sink, "%*s", c ? GAP : INDENT, "");
    print_cell(table, c, table->columns[c].title, widths[c], STYLE_DIM);
  }
  sink_print(table->sink, "\n");
}

static enum style cell_style(const struct table *table, size_t column, const char *text) {
  enum style style = table->columns[column].style;
  if (style != STYLE_CHANGE) {
    return style;
  }
  return *text == '+' ? STYLE_WARN : *text == '-' ? STYLE_GOOD : STYLE_PLAIN;
}

static void print_row(const struct table *table, size_t row, const int *widths) {
  size_t last = table->columns_count;
  while (last > 1 && !cell_at(table, row, last - 1)[0]) { /* no blanks at the line's end */
    last--;
  }
  for (size_t c = 0; c < last; c++) {
    sink_print(table->sink, "%*s", c ? GAP : INDENT, "");
    const char *text = cell_at(table, row, c);
    print_cell(table, c, text, widths[c], cell_style(table, c, text));
  }
  sink_print(table->sink, "\n");
}

void table_print(struct table *table) {
  size_t rows = table->cells_count / table->columns_count;
  int *widths = calloc(table->columns_count, sizeof *widths);
  if (widths) {
    measure(table, widths);
    if (has_titles(table)) {
      print_titles(table, widths);
    }
    for (size_t r = 0; r < rows; r++) {
      print_row(table, r, widths);
    }
  } else {
    sink_fail(table->sink, ENOMEM);
  }
  for (size_t i = 0; i < table->cells_count; i++) {
    free(table->cells[i]);
  }
  free(table->cells);
  free(widths);
  table->cells = NULL;
  table->cells_count = table->cells_capacity = 0;
}
