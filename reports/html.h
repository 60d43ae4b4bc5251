/* Text in HTML. */
#ifndef ACTSCOPE_REPORTS_HTML_H
#define ACTSCOPE_REPORTS_HTML_H

#include "reports/sink.h"

/* Text as nothing but text, between tags or in an attribute's quotes: what has a meaning in HTML is escaped, and bytes that
 * are no UTF-8 and control characters become U+FFFD. NULL: nothing. */
void html_text(struct sink *sink, const char *text);

#endif
