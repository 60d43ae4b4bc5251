/* Reports of a run: a table of back ends, each of which turns facts into one form of view.
 *
 * To add one: write its emitter in a file of its own, declare it here, and give it a row in report.c. */
#ifndef ACTSCOPE_REPORTS_REPORT_H
#define ACTSCOPE_REPORTS_REPORT_H

#include "analyzers/facts_select.h"
#include "reports/gradients.h"
#include "reports/sink.h"

struct plot_pictures;

struct report_page { /* what an HTML page has besides facts */
  const struct plot_pictures *pictures;
  const char *version; /* of actscope */
  const char *run;     /* the trace or store, as a shell would be told */
  const char *command; /* the command that made the page, likewise */
};

struct report_options {
  size_t top;                              /* longest list, 0 = no limit */
  const struct facts_selection *selection; /* by which facts were selected (facts_select), NULL: not at all */
  const struct gradients *gradients;       /* NULL: none were checked */
  const struct report_page *page;          /* HTML; NULL: figures only, without plots */
  const char *table;                       /* CSV: this table alone, see report_rows.h; NULL: all */
};

struct report_backend {
  const char *name, *summary;
  /* Writes to the sink; what fails there, the sink keeps. */
  void (*emit)(struct sink *sink, const struct facts *facts, const struct report_options *options);
  bool pictures; /* has a use for options.page */
  size_t top;    /* a good default for options.top: a page for people is short, what programs read is whole */
};

/* The order of lists. */
enum facts_order report_order(const struct report_options *options);
/* Bytes of the saved blocks that are listed: with a selection, fewer than facts->saved_bytes. */
uint64_t report_selected_bytes(const struct facts *facts);

/* NULL if there is none of that name. */
const struct report_backend *report_backend_find(const char *name);
const struct report_backend *report_backends(size_t *count);

void report_text_emit(struct sink *sink, const struct facts *facts, const struct report_options *options);
void report_json_emit(struct sink *sink, const struct facts *facts, const struct report_options *options);
void report_csv_emit(struct sink *sink, const struct facts *facts, const struct report_options *options);
void report_html_emit(struct sink *sink, const struct facts *facts, const struct report_options *options);
void report_md_emit(struct sink *sink, const struct facts *facts, const struct report_options *options);

#endif
