/* Rows, and what is said of them together. */
#include "kernels/replay/verify_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int verify_rows_init(struct verify_rows *rows, size_t capacity, struct error *err) {
  *rows = (struct verify_rows){.rows = calloc(capacity + 1, sizeof *rows->rows)};
  return rows->rows ? 0 : error_set(err, ERROR_MEMORY, "verify: out of memory");
}

void verify_rows_add(struct verify_rows *rows, const char *name, const struct gradient_figures *gradient) {
  struct verify_row *row = &rows->rows[rows->count++];
  snprintf(row->name, sizeof row->name, "%s", name);
  row->gradient = *gradient;
}

/* The smaller, or NaN if one is. */
static double worse(double a, double b) {
  return isnan(a) || a < b ? a : b;
}

void verify_rows_finish(struct verify_rows *rows, const struct gradient_figures *whole) {
  double sum = 0;
  rows->whole = *whole;
  rows->min_cosine = 1;
  for (size_t i = 0; i < rows->count; i++) {
    const struct gradient_figures *gradient = &rows->rows[i].gradient;
    sum += gradient->cosine;
    rows->min_cosine = worse(rows->min_cosine, gradient->cosine);
    rows->max_relative_error = -worse(-rows->max_relative_error, -gradient->relative_error);
  }
  rows->mean_cosine = rows->count ? sum / (double)rows->count : 1;
}

/* Written so that NaN fails. */
bool verify_rows_pass(const struct verify_rows *rows, const struct verify_limits *limits) {
  return rows->min_cosine >= limits->min_cosine && rows->max_relative_error <= limits->max_relative_error;
}

void verify_judge(struct verify_result *result, const struct verify_limits *limits) {
  result->passed = true;
  for (size_t i = 0; i < result->widths_count; i++) {
    struct verify_width *width = &result->widths[i];
    width->passed =
        verify_rows_pass(&width->start, limits) && (!width->trained.count || verify_rows_pass(&width->trained, limits));
    result->passed = result->passed && width->passed;
  }
}

void verify_result_fini(struct verify_result *result) {
  for (size_t i = 0; i < QUANTIZER_BITS_MAX; i++) {
    free(result->widths[i].start.rows);
    free(result->widths[i].trained.rows);
    free(result->widths[i].losses);
  }
  free(result->losses);
  *result = (struct verify_result){0};
}
