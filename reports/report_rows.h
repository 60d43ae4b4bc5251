/* The report as tables of typed cells: what CSV and Markdown are written from, with the keys and figures of the JSON. */
#ifndef ACTSCOPE_REPORTS_REPORT_ROWS_H
#define ACTSCOPE_REPORTS_REPORT_ROWS_H

#include "analyzers/facts_layers.h"
#include "reports/advice_words.h"
#include "reports/format.h"
#include "reports/groups.h"
#include "reports/report.h"
#include "reports/report_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPORT_TEXT_SIZE = 512 };

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

/* Writes tables, those for programs or those for pages; only: this one alone, with columns of its own, NULL: all. */
void report_csv_tables(struct sink *sink, struct report_rows *rows, const struct report_table *tables, size_t count,
                       const struct report_table *only);
void report_md_tables(struct sink *sink, struct report_rows *rows, const struct report_table *tables, size_t count);
void report_md_text(struct sink *sink, const char *text); /* whatever in it Markdown would take for a mark */

const struct report_table *report_tables(size_t *count);
const struct report_table *report_table_find(const char *name); /* of those for programs; NULL: none */

#endif
