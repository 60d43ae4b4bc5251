/* Widths, cosines, models in words and in JSON. */
#include "reports/figures.h"

#include "reports/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *format_width_bits(char out[static FORMAT_SIZE], unsigned bits) {
  if (bits) {
    snprintf(out, FORMAT_SIZE, "%u", bits);
  } else {
    snprintf(out, FORMAT_SIZE, "exact");
  }
  return out;
}

const char *format_cosine(char out[static FORMAT_SIZE], double cosine) {
  enum { DIGITS_MAX = 8 };
  int digits = 5;
  if (isnan(cosine)) {
    return strcpy(out, "-");
  }
  double step = 1e-4;
  while (1 - fabs(cosine) < step && digits < DIGITS_MAX) {
    digits++; /* what is short of 1 shows two digits */
    step /= 10;
  }
  snprintf(out, FORMAT_SIZE, "%.*f", 1 - fabs(cosine) < 5e-9 ? 5 : digits, cosine);
  return out;
}

const char *format_relative(char out[static FORMAT_SIZE], double error) {
  if (isnan(error)) {
    return strcpy(out, "-");
  }
  snprintf(out, FORMAT_SIZE, error != 0 && error < 1e-4 ? "%.1e" : "%.5f", error);
  return out;
}

void table_width_bits(struct table *table, unsigned bits) {
  char text[FORMAT_SIZE];
  table_cell(table, format_width_bits(text, bits));
}

void table_cosine(struct table *table, double cosine) {
  char text[FORMAT_SIZE];
  table_cell(table, format_cosine(text, cosine));
}

void table_relative(struct table *table, double error) {
  char text[FORMAT_SIZE];
  table_cell(table, format_relative(text, error));
}

void table_fixed(struct table *table, int digits, double value) {
  char text[FORMAT_SIZE];
  snprintf(text, sizeof text, "%.*f", digits, value);
  table_cell(table, isnan(value) ? "-" : text);
}

/* ---- models and optimizers --------------------------------------------------------------------------------------- */

static bool is_family(const struct model_options *options, const char *family) {
  return strcmp(options->family, family) == 0;
}

static bool reads_text(const struct model_options *options) {
  return is_family(options, "gpt") || is_family(options, "bert") || is_family(options, "llama");
}

static int model_sizes(char *out, size_t size, const struct model_options *o) {
  if (is_family(o, "resnet")) {
    return snprintf(out, size, "blocks %zu,%zu,%zu,%zu%s, width %zu, %zu x %zu images", o->blocks[0], o->blocks[1],
                    o->blocks[2], o->blocks[3], o->bottleneck ? " with bottlenecks" : "", o->width, o->image, o->image);
  }
  if (is_family(o, "vit")) {
    return snprintf(out, size, "%zu layers, width %zu, %zu heads, %zu x %zu images in patches of %zu", o->layers,
                    o->width, o->heads, o->image, o->image, o->patch);
  }
  if (reads_text(o)) {
    return snprintf(out, size, "%zu layers, width %zu, %zu heads, vocabulary %zu, sequence %zu", o->layers, o->width,
                    o->heads, o->vocabulary, o->sequence);
  }
  return snprintf(out, size, "%zu layers of %zu, %zu features", o->layers, o->width, o->inputs);
}

const char *format_model(char out[static FIGURES_LINE_SIZE], const struct model_options *options) {
  int used = snprintf(out, FIGURES_LINE_SIZE, "%s: ", options->name[0] ? options->name : options->family);
  used += model_sizes(out + used, FIGURES_LINE_SIZE - (size_t)used, options);
  snprintf(out + used, FIGURES_LINE_SIZE - (size_t)used, ", %s, dropout %g, batch %zu", options->activation,
           (double)options->dropout, options->batch);
  return out;
}

const char *optimizer_name(enum optimizer_kind kind) {
  return kind == OPTIMIZER_SGD ? "sgd" : "adamw";
}

json_t *figures_model_json(const struct model_options *o) {
  const struct {
    const char *key;
    size_t value;
  } sizes[] = {{"layers", o->layers},       {"width", o->width},         {"heads", o->heads},
               {"key_heads", o->key_heads}, {"hidden", o->hidden},       {"vocabulary", o->vocabulary},
               {"sequence", o->sequence},   {"positions", o->positions}, {"image", o->image},
               {"channels", o->channels},   {"patch", o->patch},         {"classes", o->classes},
               {"types", o->types},         {"inputs", o->inputs},       {"batch", o->batch}};
  json_t *object = json_object(), *blocks = json_array();
  json_put_text(object, "family", o->family);
  json_put_text(object, "name", o->name);
  json_put_text(object, "activation", o->activation);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    json_put_count(object, sizes[i].key, sizes[i].value);
  }
  for (size_t i = 0; i < 4; i++) {
    json_array_append_new(blocks, json_integer((json_int_t)o->blocks[i]));
  }
  json_object_set_new(object, "blocks", blocks);
  json_put_bool(object, "bottleneck", o->bottleneck);
  json_put_real(object, "dropout", (double)o->dropout);
  return object;
}

json_t *figures_kinds_json(const size_t *bytes) {
  json_t *object = json_object();
  for (int kind = 0; kind < MEMORY_KINDS; kind++) {
    json_put_count(object, memory_kind_name((enum memory_kind)kind), bytes[kind]);
  }
  return object;
}
