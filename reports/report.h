/* Reports of a run: a table of back ends, each of which turns facts into one form of view.
 *
 * To add one: write its emitter in a file of its own, declare it here, and give it a row in report.c. */
#ifndef ACTSCOPE_REPORTS_REPORT_H
#define ACTSCOPE_REPORTS_REPORT_H

#include "analyzers/facts.h"
#include "reports/sink.h"

struct report_options {
  size_t top; /* longest list in a report for people; 0 = no limit */
};

struct report_backend {
  const char *name, *summary;
  /* Writes to the sink; what fails there, the sink keeps. */
  void (*emit)(struct sink *sink, const struct facts *facts, const struct report_options *options);
};

/* NULL if there is none of that name. */
const struct report_backend *report_backend_find(const char *name);
const struct report_backend *report_backends(size_t *count);

/* The names, "text, json", for messages; the string is static. */
const char *report_backend_names(void);

void report_text_emit(struct sink *sink, const struct facts *facts, const struct report_options *options);
void report_json_emit(struct sink *sink, const struct facts *facts, const struct report_options *options);

#endif
