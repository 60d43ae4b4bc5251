/* Runs an emitter of an export into memory. */
#ifndef ACTSCOPE_TESTS_REPORTS_EMITTED_H
#define ACTSCOPE_TESTS_REPORTS_EMITTED_H

#include "analyzers/facts.h"
#include "reports/sink.h"

#include <stddef.h>

/* What emit writes of facts that sample makes: NUL-terminated, for free(); *size may be NULL. Fails the running test if the
 * sink does. */
char *emitted(void (*emit)(struct sink *sink, const struct facts *facts), void (*sample)(struct facts *facts),
              size_t *size);

#endif
