/* A table of typed cells: its columns are data, a function fills in a row. report_rows.h has those of a report, ranks_view.h
 * those of several runs. */
#ifndef ACTSCOPE_REPORTS_REPORT_TABLE_H
#define ACTSCOPE_REPORTS_REPORT_TABLE_H

#include "reports/format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cell_kind {
  CELL_TEXT,
  CELL_BYTES,
  CELL_SIGNED_BYTES,
  CELL_COUNT,
  CELL_NUMBER, /* a name that is a number: a step, a pid */
  CELL_TIME,   /* ns since the trace began, or a duration */
  CELL_BOOL,
  CELL_PERCENT,
  CELL_COSINE, /* or another share of 1, with as many digits as it takes */
  CELL_ERROR   /* relative */
};

struct report_cell {
  bool known; /* false: there is no such figure */
  const char *text;
  int64_t number; /* of all kinds but texts and reals; CELL_BOOL: 0, 1 */
  double real;    /* CELL_PERCENT, CELL_COSINE, CELL_ERROR */
};

static inline struct report_cell cell_text(const char *value) {
  return (struct report_cell){.known = true, .text = value ? value : ""};
}

/* UINT64_MAX: never, not known. */
static inline struct report_cell cell_count(uint64_t value) {
  return (struct report_cell){.known = value <= INT64_MAX, .number = (int64_t)value};
}

static inline struct report_cell cell_number(int64_t value) {
  return (struct report_cell){.known = true, .number = value};
}

/* Negative: none, not known. */
static inline struct report_cell cell_known(int64_t value) {
  return (struct report_cell){.known = value >= 0, .number = value};
}

struct report_column {
  const char *key, *title; /* the JSON's key; words for people, NULL: not for them */
  enum cell_kind kind;
};

enum { REPORT_COLUMNS_MAX = 24 };

struct report_rows; /* reports/report_rows.h: what tables are made from */

/* The first column is what the row is called by, unless the table has one row at most. */
struct report_table {
  const char *name, *title;
  const struct report_column *columns;
  size_t columns_count;
  bool single;    /* one row at most, without a name */
  bool is_list;   /* options.top holds */
  bool is_long;   /* and here on pages only */
  bool for_pages; /* for people only, or (the other way round) for programs only; else for both */
  bool for_programs;
  size_t (*count)(const struct report_rows *rows);
  void (*row)(struct report_rows *rows, size_t index, struct report_cell *cells); /* zeroed cells, one a column */
  uint64_t (*bytes)(const struct report_rows *rows, size_t index);                /* of a list: what a row stands for */
};

/* A cell of any kind but texts in words for people, "-" where there is no such figure. */
const char *report_cell_words(char out[static FORMAT_SIZE], enum cell_kind kind, const struct report_cell *cell);

/* Rows of the table that are shown: its count, or options.top if that is less and the table is a list. */
size_t report_table_shown(const struct report_table *table, const struct report_rows *rows, bool page);
/* What those that are not shown stand for: "and 12 more, 3.1 MiB; --top 0 shows all". "": all are shown. */
enum { REPORT_REST_SIZE = 128 };
const char *report_table_rest(const struct report_table *table, const struct report_rows *rows,
                              char out[static REPORT_REST_SIZE]);

#endif
