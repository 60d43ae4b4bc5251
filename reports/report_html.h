/* Private to the HTML report: its parts. Each writes an element or several that are whole. */
#ifndef ACTSCOPE_REPORTS_REPORT_HTML_H
#define ACTSCOPE_REPORTS_REPORT_HTML_H

#include "reports/plots.h"
#include "reports/report.h"
#include "reports/report_rows.h"

#include <stdbool.h>

struct html_page {
  struct sink *sink;
  const struct facts *facts;
  const struct report_options *options;
  struct report_rows *rows;
};

/* report_html_tables.c: the table of report_rows.h of that name; nothing where it has no rows. A table of one row is a list of
 * terms. caption: what it shows, for those who hear it. */
void html_table(const struct html_page *page, const char *name, const char *caption);
bool html_table_has(const struct html_page *page, const char *name);

/* report_html_plots.c */
/* The plot with its legend and what it shows in words; nothing if it was not drawn. */
void html_plot(const struct html_page *page, const struct plot *plot);
bool html_plot_has(const struct html_page *page, const struct plot *plot);
void html_category_bar(const struct html_page *page); /* the peak as one bar */

/* report_html_flame.c */
void html_flame(const struct html_page *page);
bool html_flame_has(const struct html_page *page);

/* report_html_run.c */
void html_run(const struct html_page *page);
void html_notes(const struct html_page *page, bool warns); /* those that warn, or the others */

#endif
