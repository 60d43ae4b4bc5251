/* The report as tables of typed cells: what CSV and Markdown are written from, with the keys and figures of the JSON. */
#ifndef ACTSCOPE_REPORTS_REPORT_ROWS_H
#define ACTSCOPE_REPORTS_REPORT_ROWS_H

#include "analyzers/facts_layers.h"
#include "reports/advice_words.h"
#include "reports/format.h"
#include "reports/groups.h"
#include "reports/report.h"

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

enum { REPORT_COLUMNS_MAX = 24, REPORT_TEXT_SIZE = 512 };

struct ranks; /* analyzers/ranks.h */

struct report_rows { /* facts, or ranks, as the tables see them */
  const struct facts *facts;
  const struct ranks *ranks; /* of their tables alone, which need nothing else but options */
  const struct report_options *options;
  struct facts_layers layers; /* as the table has them: each alone */
  struct facts_layers like_layers;
  struct group_of_blocks *groups;
  struct facts_site *sites;
  struct facts_busy_site *busy_sites;
  struct group_reason reasons[GROUP_REASONS_MAX];
  size_t groups_count, sites_count, busy_sites_count, reasons_count;
  /* Texts of cells that have to be put together; good until the next row. */
  char text[REPORT_TEXT_SIZE], more[REPORT_TEXT_SIZE], advice[ADVICE_WORDS_SIZE], *holders;
};

/* facts and options are borrowed. 0, or ERROR_MEMORY; the caller ends it with report_rows_fini, whatever the result. */
int report_rows_init(struct report_rows *rows, const struct facts *facts, const struct report_options *options);
void report_rows_fini(struct report_rows *rows);

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

/* Writes tables, those for programs or those for pages; only: this one alone, with columns of its own, NULL: all. */
void report_csv_tables(struct sink *sink, struct report_rows *rows, const struct report_table *tables, size_t count,
                       const struct report_table *only);
void report_md_tables(struct sink *sink, struct report_rows *rows, const struct report_table *tables, size_t count);
void report_md_text(struct sink *sink, const char *text); /* whatever in it Markdown would take for a mark */

const struct report_table *report_tables(size_t *count);
const struct report_table *report_table_find(const char *name); /* of those for programs; NULL: none */
const char *report_table_names(void);                           /* "run, peak, ...", for messages; static */

/* A cell of any kind but texts in words for people, "-" where there is no such figure. */
const char *report_cell_words(char out[static FORMAT_SIZE], enum cell_kind kind, const struct report_cell *cell);

/* Rows of the table that are shown: its count, or options.top if that is less and the table is a list. */
size_t report_table_shown(const struct report_table *table, const struct report_rows *rows, bool page);
/* What those that are not shown stand for: "and 12 more, 3.1 MiB; --top 0 shows all". "": all are shown. */
enum { REPORT_REST_SIZE = 128 };
const char *report_table_rest(const struct report_table *table, const struct report_rows *rows,
                              char out[static REPORT_REST_SIZE]);

#endif
