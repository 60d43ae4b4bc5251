/* Escaping. */
#include "reports/html.h"

#include "reports/format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *entity_of(char c) {
  switch (c) {
  case '&':
    return "&amp;";
  case '<':
    return "&lt;";
  case '>':
    return "&gt;";
  case '"':
    return "&quot;";
  default:
    return "&#39;";
  }
}

void html_text(struct sink *sink, const char *text) {
  char *clean = text ? format_clean(text, true) : NULL;
  if (text && !clean) {
    sink_fail(sink, ENOMEM);
    return;
  }
  for (const char *c = clean; c && *c;) {
    const size_t plain = strcspn(c, "&<>\"'");
    sink_write(sink, c, plain);
    c += plain;
    if (*c) {
      sink_print(sink, "%s", entity_of(*c++));
    }
  }
  free(clean);
}
