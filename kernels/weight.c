/* Weights: parsing, densities, supports. */
#include "kernels/weight.h"

#include "kernels/npz.h"
#include "kernels/out_of_memory.h"
#include "kernels/table_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct weight weight_default = {.kind = WEIGHT_NORMAL, .a = 0, .b = 1.5};

static const double most = 1e30;         /* of ends, mean and deviation: far beyond what a float32 network has */
static const double narrowest = 0x1p-20; /* of a spread beside its distance from 0: 8 of the float32 there, or more */
static const double normal_reach = 10;   /* standard deviations: 1.5e-23 of the mass lies beyond */

/* ---- parsing --------------------------------------------------------------------------------------------------- */

/* "A:B" into two numbers */
static int parse_pair(const char *text, double *first, double *second) {
  char *end;
  *first = strtod(text, &end);
  if (end == text || *end != ':') {
    return ERROR_USAGE;
  }
  text = end + 1;
  *second = strtod(text, &end);
  return end == text || *end || !(fabs(*first) <= most) || !(fabs(*second) <= most) ? ERROR_USAGE : 0;
}

static int from_bins(struct weight *weight, const double *edges, const double *counts, size_t bins, const char *path,
                     struct error *err) {
  struct error why;
  const int code = weight_from_histogram(weight, edges, counts, bins, &why);
  return code < 0 ? error_set(err, code, "%s: %.400s", path, why.message) : 0;
}

/* Inputs are float32: a spread that they do not resolve has no levels to fit, nor can double integrate over it. */
static int check_spread(const char *text, double spread, double distance, struct error *err) {
  return spread < narrowest * distance
             ? error_set(err, ERROR_USAGE,
                         "weight '%.60s': too narrow so far from 0: float32 inputs there do not resolve %g; use a "
                         "spread of at least %.3g",
                         text, spread, narrowest * distance)
             : 0;
}

/* Three columns: left edge, right edge, count. Bins ascend; between them there may be gaps. */
static int from_rows(struct weight *weight, const struct table_file *table, const char *path, struct error *err) {
  double *edges = malloc((2 * table->rows + 1) * sizeof *edges), *counts = calloc(2 * table->rows + 1, sizeof *counts);
  size_t bins = 0;
  int code = 0;
  if (!edges || !counts) {
    code = out_of_memory(err, path);
  }
  for (size_t row = 0; code == 0 && row < table->rows; row++) {
    const double *cell = table->cells + 3 * row;
    if (row == 0) {
      edges[0] = cell[0];
    } else if (cell[0] < edges[bins]) {
      code = error_set(err, ERROR_INPUT, "%s: bin %zu begins before the one above it ends", path, row + 1);
    } else if (cell[0] > edges[bins]) {
      edges[++bins] = cell[0]; /* the gap has no count */
    }
    counts[bins] = cell[2];
    edges[++bins] = cell[1];
  }
  if (code == 0) {
    code = from_bins(weight, edges, counts, bins, path, err);
  }
  free(edges);
  free(counts);
  return code;
}

/* numpy.savez(path, counts=counts, edges=edges) of what numpy.histogram returns */
static int from_npz(struct weight *weight, const char *bytes, size_t size, const char *path, struct error *err) {
  double *counts = NULL, *edges = NULL;
  size_t bins, ends;
  int code = npz_read(bytes, size, "counts", &counts, &bins, path, err);
  if (code == 0) {
    code = npz_read(bytes, size, "edges", &edges, &ends, path, err);
  }
  if (code == 0 && (bins == 0 || ends != bins + 1)) {
    code = error_set(err, ERROR_INPUT, "%s: %zu counts do not lie between %zu edges", path, bins, ends);
  }
  if (code == 0) {
    code = from_bins(weight, edges, counts, bins, path, err);
  }
  free(counts);
  free(edges);
  return code;
}

static int from_text(struct weight *weight, char *bytes, size_t size, const char *path, struct error *err) {
  struct table_file table;
  int code = table_file_parse(&table, bytes, size, 3, path, err);
  if (code == 0 && table.rows == 0) {
    code = error_set(err, ERROR_INPUT, "%s: holds no bins; each line is LEFT,RIGHT,COUNT", path);
  }
  if (code == 0) {
    code = from_rows(weight, &table, path, err);
  }
  table_file_fini(&table);
  return code;
}

static int parse_histogram(struct weight *weight, const char *path, struct error *err) {
  char *bytes;
  size_t size;
  int code = table_file_bytes(&bytes, &size, path, err);
  if (code == 0) {
    code = npz_recognise(bytes, size) ? from_npz(weight, bytes, size, path, err)
                                      : from_text(weight, bytes, size, path, err);
  }
  free(bytes);
  return code;
}

int weight_parse(struct weight *weight, const char *text, struct error *err) {
  *weight = (struct weight){0};
  if (strncmp(text, "uniform:", 8) == 0) {
    weight->kind = WEIGHT_UNIFORM;
    if (parse_pair(text + 8, &weight->a, &weight->b) || weight->a >= weight->b) {
      return error_set(err, ERROR_USAGE, "weight '%.60s': uniform takes two ascending ends, as in uniform:-10:10",
                       text);
    }
    return check_spread(text, weight->b - weight->a, fmax(fabs(weight->a), fabs(weight->b)), err);
  }
  if (strncmp(text, "normal:", 7) == 0) {
    weight->kind = WEIGHT_NORMAL;
    if (parse_pair(text + 7, &weight->a, &weight->b) || weight->b <= 0) {
      return error_set(err, ERROR_USAGE,
                       "weight '%.60s': normal takes a mean and a deviation above 0, as in normal:0:1", text);
    }
    return check_spread(text, weight->b, fabs(weight->a), err);
  }
  if (strncmp(text, "histogram:", 10) == 0 && text[10]) {
    return parse_histogram(weight, text + 10, err);
  }
  return error_set(err, ERROR_USAGE, "weight '%.60s': use uniform:A:B, normal:MEAN:STD or histogram:FILE", text);
}

/* ---- histograms ------------------------------------------------------------------------------------------------ */

static int check_bins(const double *edges, const double *counts, size_t bins, double *total, struct error *err) {
  *total = 0;
  for (size_t i = 0; i < bins; i++) {
    if (!(edges[i] < edges[i + 1]) || !(fabs(edges[i]) <= most) || !(fabs(edges[i + 1]) <= most)) {
      return error_set(err, ERROR_INPUT, "histogram: edges %zu and %zu (%g, %g) do not ascend", i + 1, i + 2, edges[i],
                       edges[i + 1]);
    }
    if (!(counts[i] >= 0) || !isfinite(counts[i])) {
      return error_set(err, ERROR_INPUT, "histogram: bin %zu has no valid count", i + 1);
    }
    *total += counts[i];
  }
  if (!(*total > 0) || !isfinite(*total)) {
    return error_set(err, ERROR_INPUT, "histogram: every bin is empty");
  }
  return 0;
}

int weight_from_histogram(struct weight *weight, const double *edges, const double *counts, size_t bins,
                          struct error *err) {
  struct weight_histogram *histogram;
  double total;
  int code = check_bins(edges, counts, bins, &total, err);
  *weight = (struct weight){.kind = WEIGHT_HISTOGRAM};
  if (code < 0) {
    return code;
  }
  while (bins > 1 && counts[0] == 0) { /* the ends are where something is */
    edges++;
    counts++;
    bins--;
  }
  while (bins > 1 && counts[bins - 1] == 0) {
    bins--;
  }
  histogram = calloc(1, sizeof *histogram);
  if (histogram) {
    histogram->edges = malloc((bins + 1) * sizeof *histogram->edges);
    histogram->density = malloc((bins + 1) * sizeof *histogram->density);
  }
  weight->histogram = histogram;
  if (!histogram || !histogram->edges || !histogram->density) {
    weight_fini(weight);
    return out_of_memory(err, "histogram");
  }
  histogram->bins = bins;
  memcpy(histogram->edges, edges, (bins + 1) * sizeof *edges);
  for (size_t i = 0; i < bins; i++) {
    histogram->density[i] = counts[i] / total / (edges[i + 1] - edges[i]);
  }
  weight->a = edges[0];
  weight->b = edges[bins];
  return 0;
}

void weight_fini(struct weight *weight) {
  if (weight->histogram) {
    free(weight->histogram->edges);
    free(weight->histogram->density);
    free(weight->histogram);
  }
  *weight = (struct weight){0};
}

/* The shortest of the decimals that are read as the same double. */
static const char *format_number(char out[static 32], double number) {
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(out, 32, "%.*g", digits, number);
    if (strtod(out, NULL) == number) {
      break;
    }
  }
  return out;
}

char *weight_format(const struct weight *weight, char *text, size_t size) {
  static const char *const names[] = {"uniform", "normal"};
  if (weight->kind == WEIGHT_HISTOGRAM) {
    snprintf(text, size, "histogram");
  } else {
    char a[32], b[32];
    snprintf(text, size, "%s:%s:%s", names[weight->kind], format_number(a, weight->a), format_number(b, weight->b));
  }
  return text;
}

/* ---- evaluation ------------------------------------------------------------------------------------------------ */

static double histogram_density(const struct weight_histogram *histogram, double x) {
  size_t low = 0, high = histogram->bins;
  if (!(x >= histogram->edges[0] && x <= histogram->edges[histogram->bins])) {
    return 0;
  }
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (x >= histogram->edges[middle]) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return histogram->density[low];
}

double weight_density(const struct weight *weight, double x) {
  double z;
  if (weight->kind == WEIGHT_UNIFORM) {
    return x >= weight->a && x <= weight->b;
  }
  if (weight->kind == WEIGHT_HISTOGRAM) {
    return histogram_density(weight->histogram, x);
  }
  z = (x - weight->a) / weight->b;
  return 0.39894228040143267794 / weight->b * exp(-0.5 * z * z);
}

void weight_support(const struct weight *weight, double *low, double *high) {
  bool normal = weight->kind == WEIGHT_NORMAL;
  *low = normal ? weight->a - normal_reach * weight->b : weight->a;
  *high = normal ? weight->a + normal_reach * weight->b : weight->b;
}
