/* Small help over jansson. */
#include "reports/json.h"

#include "reports/format.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Set by the allocator below, read once a document: see json_begin. */
static _Thread_local bool out_of_memory;

static void *noting_malloc(size_t size) {
  void *memory = malloc(size);
  out_of_memory |= !memory;
  return memory;
}

json_t *json_begin(const char *schema) {
  json_t *root;
  json_set_alloc_funcs(noting_malloc, free);
  out_of_memory = false;
  root = json_object();
  json_put_text(root, "schema", schema);
  return root;
}

void json_put_text(json_t *object, const char *key, const char *text) {
  char *clean = format_clean(text ? text : "", false);
  out_of_memory |= !clean;
  json_object_set_new(object, key, clean ? json_string(clean) : NULL);
  free(clean);
}

void json_put_count(json_t *object, const char *key, uint64_t value) {
  json_object_set_new(object, key, value <= INT64_MAX ? json_integer((json_int_t)value) : json_null());
}

void json_put_integer(json_t *object, const char *key, int64_t value) {
  json_object_set_new(object, key, json_integer(value));
}

void json_put_known(json_t *object, const char *key, int64_t value) {
  json_object_set_new(object, key, value >= 0 ? json_integer(value) : json_null());
}

void json_put_bool(json_t *object, const char *key, bool value) {
  json_object_set_new(object, key, json_boolean(value));
}

void json_put_real(json_t *object, const char *key, double value) {
  json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null());
}

static int to_sink(const char *bytes, size_t size, void *sink) {
  sink_write(sink, bytes, size);
  return 0;
}

void json_write(struct sink *sink, json_t *value) {
  if (out_of_memory || !value ||
      json_dump_callback(value, to_sink, sink, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) != 0) {
    sink_fail(sink, ENOMEM);
  }
  json_decref(value);
}

void json_emit(struct sink *sink, json_t *document) {
  if (out_of_memory || json_dump_callback(document, to_sink, sink, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) != 0) {
    sink_fail(sink, ENOMEM);
  }
  sink_write(sink, "\n", 1);
  json_decref(document);
}
