/* Text in columns, for the pages that people read: styles, wrapped paragraphs, bars, tables.
 *
 * Nothing here trusts a name: what is put into a table or paragraph is cleaned of control characters. */
#ifndef ACTSCOPE_REPORTS_TABLE_H
#define ACTSCOPE_REPORTS_TABLE_H

#include "reports/sink.h"

#include <stdint.h>

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_ACCENT, STYLE_GOOD, STYLE_WARN, STYLE_COUNT };
/* Of a table's column: "+1.0 MiB" is STYLE_WARN, "-1.0 MiB" is STYLE_GOOD, since memory is what is counted here. */
#define STYLE_CHANGE STYLE_COUNT

/* Text in a style, if the sink has colours. The text is trusted (already clean). */
void style_print(struct sink *sink, enum style style, const char *text);
/* A section's title on a line of its own, after an empty line. */
void section_print(struct sink *sink, const char *title);
/* A paragraph wrapped at the sink's width: every line is indented, `first` replaces the first line's indent's end. */
void paragraph_print(struct sink *sink, enum style style, int indent, const char *first, const char *text);
/* The same on a line that was begun, `indent` columns of which are taken. */
void paragraph_continue(struct sink *sink, enum style style, int indent, const char *text);
/* The same as an item of a list, with a bullet before it. */
void item_print(struct sink *sink, enum style style, const char *text);

/* The section "Notes": note_print is a visitor of notes (summary.h, ranks_view.h), the first of which gets the title. */
struct notes {
  struct sink *sink;
  bool any;
};
void note_print(void *notes, bool warns, const char *text);

/* A bar for share (0 to 1) of `columns` columns: 64 * 3 bytes hold any; never empty for a share above zero. */
#define BAR_SIZE 200
const char *bar_format(char out[static BAR_SIZE], double share, int columns, bool unicode);

enum column_kind { COLUMN_LEFT, COLUMN_RIGHT, COLUMN_FLEX }; /* FLEX: left, cut to the room that is left; at most one */
struct table_column {
  const char *title;
  enum column_kind kind;
  enum style style;
};

struct table {
  struct sink *sink;
  const struct table_column *columns;
  size_t columns_count;
  char **cells; /* row after row */
  size_t cells_count, cells_capacity;
};

void table_init(struct table *table, struct sink *sink, const struct table_column *columns, size_t count);
/* The next cell, copied, from left to right, row after row. */
void table_cell(struct table *table, const char *text);
void table_bytes(struct table *table, uint64_t bytes);
void table_count(struct table *table, uint64_t count);
void table_percent(struct table *table, double part, double all);
/* Prints the titles (if any column has one) and the rows, indented by two; frees the table. */
void table_print(struct table *table);

#endif
