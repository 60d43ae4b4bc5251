/* The table of report back ends. */
#include "reports/report.h"

#include <string.h>

static const struct report_backend backends[] = {
    {"text", "a page to read", report_text_emit},
    {"json", "schema actscope.report/1, for programs", report_json_emit},
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

const char *report_backend_names(void) {
  static char names[128];
  char *to = names;
  for (size_t i = 0; i < sizeof backends / sizeof *backends && !names[sizeof names - 24]; i++) {
    to = stpcpy(to, i ? ", " : "");
    to = stpcpy(to, backends[i].name);
  }
  return names;
}
