/* The table of report back ends. */
#include "reports/report.h"

#include <string.h>

static const struct report_backend backends[] = {
    {"text", "a page to read", report_text_emit, false, 10},
    {"json", "schema actscope.report/1, for programs", report_json_emit, false, 0},
    {"csv", "table,row,figure,value, or one table, for spreadsheets", report_csv_emit, false, 0},
    {"md", "Markdown, for issues and wikis", report_md_emit, false, 10},
    {"html", "one page with plots, for a browser", report_html_emit, true, 100},
};

const struct report_backend *report_backends(size_t *count) {
  *count = sizeof backends / sizeof *backends;
  return backends;
}

const struct report_backend *report_backend_find(const char *name) {
  for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
    if (strcmp(backends[i].name, name) == 0) {
      return &backends[i];
    }
  }
  return NULL;
}

enum facts_order report_order(const struct report_options *options) {
  return options->selection ? options->selection->order : FACTS_BY_BYTES;
}

uint64_t report_selected_bytes(const struct facts *facts) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < facts->saved_count; i++) {
    bytes += facts->saved[i].bytes;
  }
  return bytes;
}
