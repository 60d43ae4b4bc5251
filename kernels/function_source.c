/* Tables and libraries as functions. */
#include "kernels/function_source.h"

#include "kernels/out_of_memory.h"
#include "kernels/table_file.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct function_source {
  struct function function;
  struct function_user user;
  /* of a table */
  size_t rows;
  double *x, *slope, *value; /* value: f at x, by exact integration */
  double at_zero;            /* subtracted so that f(0) = 0 */
  bool steps;
  /* of a library */
  void *library;
  double (*library_value)(double), (*library_derivative)(double);
};

static int open_source(struct function_source **source, enum function_id id, const char *name, struct error *err) {
  *source = calloc(1, sizeof **source);
  if (!*source) {
    return out_of_memory(err, "function");
  }
  (*source)->function.id = id;
  (*source)->function.user = &(*source)->user;
  (*source)->user.context = *source;
  snprintf((*source)->user.name, sizeof(*source)->user.name, "%s", name);
  return 0;
}

const struct function *function_source_function(const struct function_source *source) {
  return &source->function;
}

void function_source_close(struct function_source *source) {
  if (source) {
    free(source->x);
    free(source->slope);
    free(source->value);
    if (source->library) {
      dlclose(source->library);
    }
    free(source);
  }
}

/* ---- tables ---------------------------------------------------------------------------------------------------- */

/* The row whose stretch x lies in; x is not below the first. */
static size_t find_row(const struct function_source *source, double x) {
  size_t low = 0, high = source->rows;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (x >= source->x[middle]) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

static double table_derivative(double x, const void *context) {
  const struct function_source *source = context;
  size_t row;
  if (!(x > source->x[0])) {
    return isnan(x) ? x : source->slope[0];
  }
  row = find_row(source, x);
  if (source->steps || row + 1 == source->rows) {
    return source->slope[row];
  }
  return source->slope[row] +
         (source->slope[row + 1] - source->slope[row]) * ((x - source->x[row]) / (source->x[row + 1] - source->x[row]));
}

/* The integral of f' from x[0]; at an infinity its limit. */
static double table_integral(const struct function_source *source, double x) {
  size_t row;
  if (isinf(x) && table_derivative(x, source) == 0) {
    x = x < 0 ? source->x[0] : source->x[source->rows - 1];
  }
  if (!(x > source->x[0])) {
    return source->slope[0] * (x - source->x[0]);
  }
  row = find_row(source, x);
  return source->value[row] +
         0.5 * (source->slope[row] + (source->steps ? source->slope[row] : table_derivative(x, source))) *
             (x - source->x[row]);
}

static double table_value(double x, const void *context) {
  const struct function_source *source = context;
  return table_integral(source, x) - source->at_zero;
}

static int fill_table(struct function_source *source, const struct table_file *table, const char *path,
                      struct error *err) {
  if (table->rows < 2) {
    return error_set(err, ERROR_INPUT, "%s: %zu rows; a table of x,f' has two or more", path, table->rows);
  }
  source->x = malloc(table->rows * sizeof *source->x);
  source->slope = malloc(table->rows * sizeof *source->slope);
  source->value = calloc(table->rows, sizeof *source->value);
  if (!source->x || !source->slope || !source->value) {
    return out_of_memory(err, path);
  }
  for (size_t i = 0; i < table->rows; i++) {
    source->x[i] = table->cells[2 * i];
    source->slope[i] = table->cells[2 * i + 1];
    if (i && source->x[i] <= source->x[i - 1]) {
      return error_set(err, ERROR_INPUT, "%s: x of row %zu (%g) is not above the one before it", path, i + 1,
                       source->x[i]);
    }
    if (i) {
      double mean = source->steps ? source->slope[i - 1] : 0.5 * (source->slope[i - 1] + source->slope[i]);
      source->value[i] = source->value[i - 1] + mean * (source->x[i] - source->x[i - 1]);
    }
  }
  source->rows = table->rows;
  source->at_zero = table_integral(source, 0);
  source->user.value = table_value;
  source->user.derivative = table_derivative;
  source->user.knots = source->steps ? source->x + 1 : source->x; /* the first step reaches down to -inf */
  source->user.knots_count = source->steps ? source->rows - 1 : source->rows;
  return 0;
}

/* "dir/name.csv" -> "name" */
static void name_of(const char *path, char *name, size_t size) {
  const char *slash = strrchr(path, '/');
  snprintf(name, size, "%s", slash ? slash + 1 : path);
  if (strchr(name + 1, '.')) {
    *strchr(name + 1, '.') = 0;
  }
}

int function_source_table(struct function_source **source, const char *path, bool steps, const char *name,
                          struct error *err) {
  struct table_file table;
  char own_name[FUNCTION_NAME_SIZE];
  int code = table_file_read(&table, path, 2, err);
  *source = NULL;
  name_of(path, own_name, sizeof own_name);
  if (code == 0) {
    code = open_source(source, steps ? FUNCTION_STEPWISE : FUNCTION_USER, name ? name : own_name, err);
  }
  if (code == 0) {
    (*source)->steps = steps;
    code = fill_table(*source, &table, path, err);
  }
  table_file_fini(&table);
  if (code < 0) {
    function_source_close(*source);
    *source = NULL;
  }
  return code;
}

/* ---- libraries ------------------------------------------------------------------------------------------------- */

static double library_value(double x, const void *context) {
  return ((const struct function_source *)context)->library_value(x);
}

static double library_derivative(double x, const void *context) {
  return ((const struct function_source *)context)->library_derivative(x);
}

static int find_symbol(void *library, const char *path, const char *name, double (**function)(double),
                       struct error *err) {
  void *symbol = dlsym(library, name);
  if (!symbol) {
    return error_set(err, ERROR_INPUT,
                     "%s: has no function '%s'; f is double NAME(double), its derivative double "
                     "NAME_derivative(double)",
                     path, name);
  }
  memcpy(function, &symbol, sizeof *function); /* ISO C has no cast from object to function pointers */
  return 0;
}

/* A file of this folder where there is one: dlopen looks for a name without a slash among the system's libraries. */
static void *open_library(const char *path) {
  char *here = NULL;
  void *library;
  if (strchr(path, '/') || access(path, F_OK) != 0 || asprintf(&here, "./%s", path) < 0) {
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
  }
  library = dlopen(here, RTLD_NOW | RTLD_LOCAL);
  free(here);
  return library;
}

static int load_library(struct function_source *source, const char *path, const char *name, struct error *err) {
  char *derivative = NULL;
  int code;
  source->library = open_library(path);
  if (!source->library) {
    const bool missing = strchr(path, '/') && access(path, R_OK) != 0;
    return error_set(err, missing ? ERROR_IO : ERROR_INPUT, "cannot load the library: %s", dlerror());
  }
  if (asprintf(&derivative, "%s_derivative", name) < 0) {
    return out_of_memory(err, path);
  }
  source->user.value = library_value;
  source->user.derivative = library_derivative;
  code = find_symbol(source->library, path, name, &source->library_value, err);
  if (code == 0) {
    code = find_symbol(source->library, path, derivative, &source->library_derivative, err);
  }
  free(derivative);
  return code;
}

int function_source_library(struct function_source **source, const char *spec, struct error *err) {
  const char *colon = strrchr(spec, ':');
  char *path;
  int code;
  *source = NULL;
  if (!colon || colon == spec || !colon[1]) {
    return error_set(err, ERROR_USAGE, "'%.80s': a library's function is given as ./f.so:name", spec);
  }
  path = strndup(spec, (size_t)(colon - spec));
  code = path ? open_source(source, FUNCTION_USER, colon + 1, err) : out_of_memory(err, "function");
  if (code == 0) {
    code = load_library(*source, path, colon + 1, err);
  }
  if (code < 0) {
    function_source_close(*source);
    *source = NULL;
  }
  free(path);
  return code;
}
