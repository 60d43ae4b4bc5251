/* Reads "actscope.verify/1" and "actscope.replay/1". */
#include "reports/gradients.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

static double real_of(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* The next width's place; NULL: there is none, or the number is not one of bits. */
static struct gradients_width *add_width(struct gradients *gradients, const json_t *object) {
  const json_int_t bits = json_integer_value(json_object_get(object, "bits"));
  struct gradients_width *width = &gradients->widths[gradients->count];
  if (gradients->count == GRADIENTS_WIDTHS_MAX || bits < 1 || bits > GRADIENTS_WIDTHS_MAX) {
    return NULL;
  }
  gradients->count++;
  *width = (struct gradients_width){(unsigned)bits, NAN, NAN, NAN};
  return width;
}

/* ---- verify ------------------------------------------------------------------------------------------------------ */

static void take_verify(const json_t *root, struct gradients *gradients) {
  const json_t *list = json_object_get(root, "bits");
  const char *kind = text_of(root, "kind");
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *object = json_array_get(list, i);
    struct gradients_width *width = add_width(gradients, object);
    if (width) {
      width->min_cosine = real_of(object, "min_cosine");
      width->mean_cosine = real_of(object, "mean_cosine");
      width->max_relative_error = real_of(object, "max_relative_error");
    }
  }
  snprintf(gradients->subject, sizeof gradients->subject, "%s %.200s",
           strcmp(kind, "run") == 0      ? "the eligible activations of"
           : strcmp(kind, "arrays") == 0 ? "arrays given to"
                                         : "the parameters of",
           text_of(root, "model"));
}

/* ---- replay ------------------------------------------------------------------------------------------------------ */

static const json_t *width_of(const json_t *group, unsigned bits) {
  const json_t *list = json_object_get(group, "widths");
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *width = json_array_get(list, i);
    if (json_integer_value(json_object_get(width, "bits")) == bits) {
      return width;
    }
  }
  return NULL;
}

/* A group stands for `count` activations alike. */
static void take_groups(const json_t *groups, struct gradients_width *width) {
  double sum = 0, count = 0;
  for (size_t i = 0; i < json_array_size(groups); i++) {
    const json_t *group = json_array_get(groups, i), *found = width_of(group, width->bits);
    const double cosine = real_of(found, "cosine"), times = real_of(group, "count");
    if (isfinite(cosine) && times > 0) {
      width->min_cosine = fmin(width->min_cosine, cosine); /* of NaN and a number the number */
      width->max_relative_error = fmax(width->max_relative_error, real_of(found, "relative_error"));
      sum += times * cosine;
      count += times;
    }
  }
  width->mean_cosine = count > 0 ? sum / count : (double)NAN;
}

static void take_replay(const json_t *root, struct gradients *gradients) {
  const json_t *total = json_object_get(root, "total");
  for (size_t i = 0; i < json_array_size(total); i++) {
    struct gradients_width *width = add_width(gradients, json_array_get(total, i));
    if (width) {
      take_groups(json_object_get(root, "activations"), width);
    }
  }
  snprintf(gradients->subject, sizeof gradients->subject, "the eligible activations of %.200s", text_of(root, "run"));
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static int by_bits(const void *a, const void *b) {
  const unsigned x = ((const struct gradients_width *)a)->bits, y = ((const struct gradients_width *)b)->bits;
  return x < y ? -1 : x > y;
}

static bool says_something(const struct gradients *gradients) {
  bool any = false;
  for (size_t i = 0; i < gradients->count; i++) {
    any = any || isfinite(gradients->widths[i].min_cosine);
  }
  return any;
}

static int take(const json_t *root, const char *path, struct gradients *gradients, struct error *err) {
  const char *schema = text_of(root, "schema");
  if (strcmp(schema, "actscope.verify/1") == 0) {
    take_verify(root, gradients);
  } else if (strcmp(schema, "actscope.replay/1") == 0) {
    take_replay(root, gradients);
  } else {
    return error_set(err, ERROR_INPUT, "%s: not made by `actscope verify --json' or `actscope replay --json'", path);
  }
  if (!says_something(gradients)) {
    return error_set(err, ERROR_INPUT,
                     "%s: says nothing of gradients; make one by `actscope verify RUN --bits 1,2,3,4 --json'", path);
  }
  qsort(gradients->widths, gradients->count, sizeof *gradients->widths, by_bits);
  return 0;
}

int gradients_read(const char *path, struct gradients *gradients, struct error *err) {
  json_error_t where;
  FILE *file = fopen(path, "re");
  *gradients = (struct gradients){0};
  if (!file) {
    return error_set(err, ERROR_IO, "cannot read %s: %s", path, strerror(errno));
  }
  json_t *root = json_loadf(file, 0, &where);
  const bool unread = ferror(file);
  fclose(file);
  if (unread) {
    json_decref(root);
    return error_set(err, ERROR_IO, "cannot read %s: %s", path, strerror(EIO));
  }
  if (!root) {
    return error_set(err, ERROR_INPUT, "%s: not JSON: line %d: %s", path, where.line, where.text);
  }
  const int code = take(root, path, gradients, err);
  json_decref(root);
  return code;
}
