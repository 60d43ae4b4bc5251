/* Reads a check of gradients that the Python package made: see the header. */
#include "reports/verify_view.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double take_real(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static uint64_t take_count(const json_t *object, const char *key) {
  const json_int_t value = json_integer_value(json_object_get(object, key));
  return value > 0 ? (uint64_t)value : 0;
}

/* A long name keeps its end, which tells parameters apart. */
static void take_name(const json_t *row, char name[static REPLAY_NAME_SIZE]) {
  const char *text = json_string_value(json_object_get(row, "name"));
  const size_t length = text ? strlen(text) : 0, most = REPLAY_NAME_SIZE - 1;
  if (length <= most) {
    snprintf(name, REPLAY_NAME_SIZE, "%s", text ? text : "");
  } else {
    snprintf(name, REPLAY_NAME_SIZE, "...%s", text + length - (most - 3));
  }
}

/* If every row is noise they are all there is to show, as the package has it. */
static size_t count_noise(const json_t *list) {
  size_t noise = 0, i;
  json_t *row;
  json_array_foreach((json_t *)(uintptr_t)list, i, row) {
    noise += json_is_true(json_object_get(row, "negligible"));
  }
  return noise < json_array_size(list) ? noise : 0;
}

static int take_rows(const json_t *object, struct verify_rows *rows, size_t *noise) {
  const json_t *list = json_object_get(object, "parameters");
  size_t i;
  json_t *item;
  *noise = count_noise(list);
  *rows = (struct verify_rows){.rows = calloc(json_array_size(list) + 1, sizeof *rows->rows),
                               .whole = {take_real(object, "whole_cosine"), take_real(object, "whole_relative_error")},
                               .min_cosine = take_real(object, "min_cosine"),
                               .mean_cosine = take_real(object, "mean_cosine"),
                               .max_relative_error = take_real(object, "max_relative_error")};
  if (!rows->rows) {
    return ERROR_MEMORY;
  }
  json_array_foreach((json_t *)(uintptr_t)list, i, item) {
    if (*noise && json_is_true(json_object_get(item, "negligible"))) {
      continue;
    }
    struct verify_row *row = &rows->rows[rows->count++];
    take_name(item, row->name);
    row->gradient = (struct gradient_figures){take_real(item, "cosine"), take_real(item, "relative_error")};
  }
  return rows->count ? 0 : ERROR_INPUT;
}

static struct verify_memory take_memory(const json_t *memory, const char *key) {
  const json_t *object = json_object_get(memory, key);
  return (struct verify_memory){take_count(object, "peak_bytes"), take_count(object, "saved_bytes")};
}

static int take_losses(const json_t *loss, const char *key, float **losses, size_t *count) {
  const json_t *list = json_object_get(loss, key);
  size_t i;
  json_t *value;
  *count = json_array_size(list);
  *losses = calloc(*count + 1, sizeof **losses);
  if (!*losses) {
    return ERROR_MEMORY;
  }
  json_array_foreach((json_t *)(uintptr_t)list, i, value) {
    (*losses)[i] = json_is_number(value) ? (float)json_number_value(value) : NAN;
  }
  return 0;
}

/* The exact run's figures are in every width's; they are the same. */
static int take_exact(const json_t *object, struct verify_result *result) {
  const json_t *memory = json_object_get(object, "memory"), *trained = json_object_get(object, "trained");
  result->metered = memory != NULL;
  result->exact = take_memory(memory, "exact");
  result->steps = (size_t)take_count(trained, "steps");
  return take_losses(json_object_get(object, "loss"), "exact", &result->losses, &result->losses_count);
}

static int take_width(const json_t *object, struct verify_result *result) {
  struct verify_width *width = &result->widths[result->widths_count++];
  const json_t *memory = json_object_get(object, "memory"), *trained = json_object_get(object, "trained");
  size_t noise, losses;
  width->bits = (unsigned)take_count(object, "bits");
  width->measured = take_memory(memory, "measured");
  width->projected = take_memory(memory, "projected");
  width->passed = json_is_true(json_object_get(object, "passed"));
  int code = take_rows(object, &width->start, &result->skipped);
  if (code == 0 && trained) {
    code = take_rows(trained, &width->trained, &noise);
  }
  code = code ? code : take_losses(json_object_get(object, "loss"), "few_bit", &width->losses, &losses);
  return code || losses == result->losses_count ? code : ERROR_INPUT;
}

static bool is_ours(const json_t *root) {
  const char *schema = json_string_value(json_object_get(root, "schema"));
  const char *kind = json_string_value(json_object_get(root, "kind"));
  const size_t widths = json_array_size(json_object_get(root, "bits"));
  return schema && strcmp(schema, "actscope.verify/1") == 0 && kind && strcmp(kind, "torch") == 0 && widths > 0 &&
         widths <= QUANTIZER_BITS_MAX;
}

static int take(const json_t *root, struct verify_result *result) {
  const json_t *bits = json_object_get(root, "bits");
  size_t i;
  json_t *width;
  int code = take_exact(json_array_get(bits, 0), result);
  json_array_foreach((json_t *)(uintptr_t)bits, i, width) {
    code = code ? code : take_width(width, result);
    /* The text shows the same rows at every width. */
    code = code == 0 && result->widths[i].start.count != result->widths[0].start.count ? ERROR_INPUT : code;
  }
  result->passed = json_is_true(json_object_get(root, "passed"));
  return code;
}

int verify_json_read(const char *document, struct verify_result *result, struct error *err) {
  json_error_t why;
  json_t *root = json_loads(document, 0, &why);
  *result = (struct verify_result){0};
  int code = root && is_ours(root) ? take(root, result) : ERROR_INPUT;
  json_decref(root);
  return code == ERROR_MEMORY ? error_set(err, code, "verify: out of memory")
         : code               ? error_set(err, code,
                                          "verify: what Python wrote is no actscope.verify/1 of a model; is its "
                                                        "package `actscope' of this version?")
                              : 0;
}
