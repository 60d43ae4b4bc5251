/* Quantizers to and from JSON and .npz. */
#include "kernels/quantizer_file.h"

#include "kernels/npz.h"
#include "kernels/out_of_memory.h"
#include "kernels/table_file.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char schema[] = "actscope.quantizer/1";
static const double npz_reach = 100; /* the outer borders of the paper's own tables */

/* ---- to JSON --------------------------------------------------------------------------------------------------- */

static json_t *array_of(const double *values, unsigned count) {
  json_t *array = json_array();
  for (unsigned i = 0; i < count; i++) {
    json_array_append_new(array, json_real(values[i]));
  }
  return array;
}

static json_t *parameters_of(const struct quantizer *quantizer) {
  const struct function_traits *traits = function_traits(quantizer->function);
  json_t *object = json_object();
  for (unsigned i = 0; i < traits->params; i++) {
    json_object_set_new(object, traits->param_names[i], json_real(quantizer->params[i]));
  }
  return object;
}

static json_t *to_json(const struct quantizer *quantizer) {
  json_t *root = json_object(), *codes = json_array();
  char weight[96];
  json_object_set_new(root, "schema", json_string(schema));
  json_object_set_new(root, "function", json_string(quantizer->name));
  json_object_set_new(root, "parameters", parameters_of(quantizer));
  json_object_set_new(root, "bits", json_integer(quantizer->bits));
  json_object_set_new(root, "method", json_string(quantizer_method_name(quantizer->method)));
  json_object_set_new(root, "weight", json_string(weight_format(&quantizer->weight, weight, sizeof weight)));
  json_object_set_new(root, "error", json_real(quantizer->error));
  json_object_set_new(root, "lower_bound", json_real(quantizer->lower_bound));
  json_object_set_new(root, "residual", json_real(quantizer->residual));
  json_object_set_new(root, "cosine", json_real(quantizer->cosine));
  json_object_set_new(root, "levels", array_of(quantizer->levels_exact, quantizer->levels_count));
  json_object_set_new(root, "breakpoints", array_of(quantizer->breakpoints_exact, quantizer->intervals - 1));
  for (unsigned i = 0; i < quantizer->intervals; i++) {
    json_array_append_new(codes, json_integer(quantizer->codes[i]));
  }
  json_object_set_new(root, "codes", codes);
  return root;
}

int quantizer_encode_json(const struct quantizer *quantizers, size_t count, char **bytes, size_t *size,
                          struct error *err) {
  json_t *root = count == 1 ? to_json(quantizers) : json_array();
  char *text;
  for (size_t i = 0; count != 1 && i < count; i++) {
    json_array_append_new(root, to_json(&quantizers[i]));
  }
  text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
  json_decref(root);
  *size = text ? strlen(text) + 1 : 0;
  *bytes = text ? malloc(*size) : NULL;
  if (*bytes) {
    memcpy(*bytes, text, *size - 1);
    (*bytes)[*size - 1] = '\n';
  }
  free(text);
  return *bytes ? 0 : out_of_memory(err, "quantizer");
}

/* ---- from JSON ------------------------------------------------------------------------------------------------- */

struct figures {
  double *breakpoints, *levels;
  uint8_t *codes;
  unsigned intervals, levels_count;
};

static int from_table(struct quantizer *quantizer, const struct function *function, const struct figures *figures,
                      const char *name, struct error *err) {
  struct error why;
  const int code = quantizer_from_table(quantizer, function, figures->breakpoints, figures->codes, figures->intervals,
                                        figures->levels, figures->levels_count, &why);
  return code < 0 ? error_set(err, code, "%s: %.400s", name, why.message) : 0;
}

static double *numbers_of(const json_t *array, unsigned most, unsigned *count) {
  double *numbers = malloc((most + 1) * sizeof *numbers);
  *count = (unsigned)json_array_size(array);
  if (!numbers || !json_is_array(array) || json_array_size(array) > most) {
    free(numbers);
    return NULL;
  }
  for (unsigned i = 0; i < *count; i++) {
    if (!json_is_number(json_array_get(array, i))) {
      free(numbers);
      return NULL;
    }
    numbers[i] = json_number_value(json_array_get(array, i));
  }
  return numbers;
}

static uint8_t *codes_of(const json_t *array, unsigned count) {
  uint8_t *codes = json_is_array(array) && json_array_size(array) == count ? malloc(count) : NULL;
  for (unsigned i = 0; codes && i < count; i++) {
    json_int_t code = json_integer_value(json_array_get(array, i));
    if (!json_is_integer(json_array_get(array, i)) || code < 0 || code > 255) {
      free(codes);
      return NULL;
    }
    codes[i] = (uint8_t)code;
  }
  return codes;
}

static int set_parameters(struct function *function, json_t *parameters, const char *name, struct error *err) {
  const char *key;
  json_t *value;
  struct error why;
  int code = 0;
  json_object_foreach(parameters, key, value) {
    code = code < 0 ? code : function_set(function, key, json_is_number(value) ? json_number_value(value) : NAN, &why);
  }
  if (code == 0) {
    code = function_check(function, &why);
  }
  return code < 0 ? error_set(err, ERROR_INPUT, "%s: %.500s", name, why.message) : 0;
}

/* May a table that names `found` be one for the function that the caller gives? Who brings f' along measures any. */
static bool is_for(const struct function *given, const struct function *found) {
  if (given->user) {
    return given->user->derivative || strcmp(function_name(given), function_name(found)) == 0;
  }
  return found->user || found->id == given->id;
}

/* The function that the JSON names, with its parameters; the caller's where that one is not built in. */
static int function_of(const json_t *root, const struct function *given, struct function *function,
                       struct function_user *user, const char *name, struct error *err) {
  const char *wanted = json_string_value(json_object_get(root, "function"));
  if (!wanted || !*wanted || strlen(wanted) >= FUNCTION_NAME_SIZE) {
    return error_set(err, ERROR_INPUT, "%s: does not name a function", name);
  }
  if (function_find(function, wanted, NULL) < 0) {
    function_init_named(function, user, wanted);
  }
  if (given && !is_for(given, function)) {
    return error_set(err, ERROR_INPUT, "%s: is a table for %s, not for %s", name, wanted, function_name(given));
  }
  if (given && (given->user || function->user)) {
    *function = *given;
  }
  return function->user ? 0 : set_parameters(function, json_object_get(root, "parameters"), name, err);
}

static double number_or_nan(const json_t *root, const char *key) {
  const json_t *value = json_object_get(root, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

static void fill_certificate(struct quantizer *quantizer, const json_t *root) {
  const char *method = json_string_value(json_object_get(root, "method"));
  const char *weight = json_string_value(json_object_get(root, "weight"));
  quantizer->method = method && strcmp(method, "interval") == 0 ? QUANTIZER_INTERVAL : QUANTIZER_VALUE;
  quantizer->error = number_or_nan(root, "error");
  quantizer->cosine = number_or_nan(root, "cosine");
  quantizer->lower_bound = number_or_nan(root, "lower_bound");
  quantizer->residual = number_or_nan(root, "residual");
  if (!weight || strncmp(weight, "histogram", 9) == 0 || weight_parse(&quantizer->weight, weight, NULL) < 0) {
    quantizer->weight = (struct weight){.kind = WEIGHT_HISTOGRAM};
  }
}

static int from_json(struct quantizer *quantizer, const struct function *given, const json_t *root, const char *name,
                     struct error *err) {
  struct figures figures = {0};
  struct function function;
  struct function_user user;
  json_int_t bits = json_integer_value(json_object_get(root, "bits"));
  const char *found = json_string_value(json_object_get(root, "schema"));
  int code;
  if (!found || strcmp(found, schema) != 0) {
    return error_set(err, ERROR_INPUT, "%s: is no quantizer: its schema is '%.40s', not '%s'", name, found ? found : "",
                     schema);
  }
  code = function_of(root, given, &function, &user, name, err);
  if (code < 0) {
    return code;
  }
  figures.breakpoints =
      numbers_of(json_object_get(root, "breakpoints"), QUANTIZER_INTERVALS_MAX - 1, &figures.intervals);
  figures.levels = numbers_of(json_object_get(root, "levels"), QUANTIZER_LEVELS_MAX, &figures.levels_count);
  figures.codes = codes_of(json_object_get(root, "codes"), ++figures.intervals);
  if (!figures.breakpoints || !figures.levels || !figures.codes) {
    code = error_set(err, ERROR_INPUT, "%s: breakpoints, levels and codes do not go together", name);
  } else {
    code = from_table(quantizer, &function, &figures, name, err);
  }
  if (code == 0 && (bits < quantizer->bits || bits > QUANTIZER_BITS_MAX)) {
    code = error_set(err, ERROR_INPUT, "%s: %d bits do not number %u levels", name, (int)bits, figures.levels_count);
  }
  if (code == 0) {
    quantizer->bits = (unsigned)bits;
    fill_certificate(quantizer, root);
  }
  free(figures.breakpoints);
  free(figures.levels);
  free(figures.codes);
  return code;
}

int quantizer_decode_json(struct quantizer *quantizer, const struct function *function, unsigned bits,
                          const char *bytes, size_t size, const char *name, struct error *err) {
  json_error_t json_error;
  json_t *root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &json_error);
  const json_t *chosen = root;
  int code;
  if (!root) {
    return error_set(err, ERROR_INPUT, "%s: neither an .npz nor whole JSON: line %d: %.200s", name, json_error.line,
                     json_error.text);
  }
  for (size_t i = 0; i < json_array_size(root); i++) { /* of several, the first with those bits */
    chosen = json_array_get(root, i);
    if (bits == 0 || json_integer_value(json_object_get(chosen, "bits")) == bits) {
      break;
    }
  }
  code = from_json(quantizer, function, chosen, name, err);
  if (code == 0 && bits && quantizer->bits != bits) {
    code = error_set(err, ERROR_INPUT, "%s: holds %u bits, not %u", name, quantizer->bits, bits);
  }
  json_decref(root);
  return code;
}

/* ---- .npz ------------------------------------------------------------------------------------------------------ */

/* The largest float32 below the breakpoint: x <= border there is x < breakpoint here. Where a breakpoint is no float,
 * no x can equal it, and it is the border. */
static double border_of(const struct quantizer *quantizer, unsigned i) {
  float x = quantizer->breakpoints[i];
  return quantizer->breakpoints_exact[i] == (double)x ? (double)nextafterf(x, -INFINITY)
                                                      : quantizer->breakpoints_exact[i];
}

static void add_arrays(struct npz_writer *writer, const struct quantizer *quantizer) {
  double borders[QUANTIZER_INTERVALS_MAX + 1];
  unsigned inner = quantizer->intervals - 1;
  char array[FUNCTION_NAME_SIZE + 24];
  for (unsigned i = 0; i < inner; i++) {
    borders[i + 1] = border_of(quantizer, i);
  }
  borders[0] = inner ? fmin(-npz_reach, borders[1] - 1) : -npz_reach;
  borders[inner + 1] = inner ? fmax(npz_reach, borders[inner] + 1) : npz_reach;
  snprintf(array, sizeof array, "%s%02u-borders", quantizer->name, quantizer->bits);
  npz_writer_add(writer, array, borders, inner + 2);
  snprintf(array, sizeof array, "%s%02u-levels", quantizer->name, quantizer->bits);
  npz_writer_add(writer, array, quantizer->levels_exact, quantizer->levels_count);
}

int quantizer_encode_npz(const struct quantizer *quantizers, size_t count, char **bytes, size_t *size,
                         struct error *err) {
  struct npz_writer writer = {0};
  int code;
  for (size_t i = 0; i < count; i++) {
    if (quantizers[i].method != QUANTIZER_INTERVAL) {
      return error_set(err, ERROR_USAGE,
                       "%s: an .npz holds one level an interval; save a `value' quantizer as JSON, "
                       "or fit with --method interval",
                       quantizers[i].name);
    }
  }
  for (size_t i = 0; i < count; i++) {
    add_arrays(&writer, &quantizers[i]);
  }
  code = npz_writer_finish(&writer, err);
  *bytes = writer.bytes;
  *size = writer.size;
  return code;
}

struct npz_table {
  double *borders, *levels;
  size_t borders_count, levels_count;
};

/* The first float32 above each border, as the library that reads these files compares. */
static int raise_breakpoints(struct quantizer *quantizer, const char *name, struct error *err) {
  for (unsigned i = 0; i + 1 < quantizer->intervals; i++) {
    float x = quantizer->breakpoints[i];
    quantizer->breakpoints[i] = (double)x <= quantizer->breakpoints_exact[i] ? nextafterf(x, INFINITY) : x;
    if (i && quantizer->breakpoints[i] <= quantizer->breakpoints[i - 1]) {
      return error_set(err, ERROR_INPUT, "%s: borders %u and %u are one in float32", name, i, i + 1);
    }
  }
  return 0;
}

static int from_npz_table(struct quantizer *quantizer, const struct function *function, unsigned bits,
                          const struct npz_table *table, const char *name, struct error *err) {
  unsigned count = (unsigned)table->levels_count;
  bool outer = table->borders_count == table->levels_count + 1; /* else the inner ones alone */
  int code;
  if ((!outer && table->borders_count + 1 != table->levels_count) || table->levels_count < 1 ||
      table->levels_count > 1u << bits) {
    return error_set(err, ERROR_INPUT, "%s: %zu borders and %zu levels do not make %u bits", name, table->borders_count,
                     table->levels_count, bits);
  }
  const struct figures figures = {outer ? table->borders + 1 : table->borders, table->levels, NULL, count, count};
  code = from_table(quantizer, function, &figures, name, err);
  quantizer->bits = bits;
  return code < 0 ? code : raise_breakpoints(quantizer, name, err);
}

int quantizer_decode_npz(struct quantizer *quantizer, const struct function *function, unsigned bits, const char *bytes,
                         size_t size, const char *name, struct error *err) {
  char array[FUNCTION_NAME_SIZE + 24];
  struct npz_table table = {0};
  int code;
  if (!function || bits < 1 || bits > QUANTIZER_BITS_MAX) {
    return error_set(err, ERROR_USAGE, "%s: an .npz holds many tables; say which function and 1 to %d bits", name,
                     QUANTIZER_BITS_MAX);
  }
  snprintf(array, sizeof array, "%s%02u-borders", function_name(function), bits);
  code = npz_read(bytes, size, array, &table.borders, &table.borders_count, name, err);
  if (code == 0) {
    snprintf(array, sizeof array, "%s%02u-levels", function_name(function), bits);
    code = npz_read(bytes, size, array, &table.levels, &table.levels_count, name, err);
  }
  if (code == 0) {
    code = from_npz_table(quantizer, function, bits, &table, name, err);
  }
  free(table.borders);
  free(table.levels);
  return code;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

int quantizer_load(struct quantizer *quantizer, const struct function *function, unsigned bits, const char *path,
                   struct error *err) {
  char *bytes = NULL;
  size_t size;
  int code = table_file_bytes(&bytes, &size, path, err);
  if (code == 0) {
    code = npz_recognise(bytes, size) ? quantizer_decode_npz(quantizer, function, bits, bytes, size, path, err)
                                      : quantizer_decode_json(quantizer, function, bits, bytes, size, path, err);
  }
  free(bytes);
  return code;
}
