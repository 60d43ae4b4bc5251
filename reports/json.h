/* Small help over jansson: objects that keep their keys' order, text that is always valid UTF-8, integers of 64 bits. */
#ifndef ACTSCOPE_REPORTS_JSON_H
#define ACTSCOPE_REPORTS_JSON_H

#include "reports/sink.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Begins a document: an object with its schema. Out of memory, here or in any call before json_emit, is noted by the
 * allocator that is put into jansson, so nobody else needs to check. */
json_t *json_begin(const char *schema);

/* Each sets object[key]. */
void json_put_text(json_t *object, const char *key, const char *text); /* NULL is written as "" */
void json_put_count(json_t *object, const char *key, uint64_t value);  /* beyond INT64_MAX: null, "never" */
void json_put_integer(json_t *object, const char *key, int64_t value);
void json_put_known(json_t *object, const char *key, int64_t value); /* negative: null, "not known" or "none" */
void json_put_bool(json_t *object, const char *key, bool value);
void json_put_real(json_t *object, const char *key, double value); /* what is not finite: null */

/* Writes a value on one line, without a line end, and drops the reference: for documents too large to be built first.
 * Reals have 15 digits: a microsecond's thousandths over a year. */
void json_write(struct sink *sink, json_t *value);

/* Writes the document with a line end, and drops the reference. */
void json_emit(struct sink *sink, json_t *document);

#endif
