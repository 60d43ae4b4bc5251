/* Measures a quantizer of any origin against f': quadrature from knot to knot. */
#include "kernels/quantizer.h"

#include "kernels/out_of_memory.h"
#include "kernels/quadrature.h"

#include <math.h>
#include <stdlib.h>

enum { EVEN_PARTS = 64 };

struct integrand {
  const struct function *function;
  const struct weight *weight;
  double level;
};

static void integrand_at(double x, double *values, void *context) {
  const struct integrand *integrand = context;
  double weight = weight_density(integrand->weight, x), derivative = function_derivative(integrand->function, x);
  double difference = derivative - integrand->level;
  values[0] = weight * difference * difference;
  values[1] = weight * derivative * integrand->level;
  values[2] = weight * derivative * derivative;
  values[3] = weight * integrand->level * integrand->level;
}

static int compare_doubles(const void *a, const void *b) {
  const double *p = a, *q = b;
  return (*p > *q) - (*p < *q);
}

/* Every x at which something may jump, and enough others that no feature falls between the points of a rule. */
static double *collect_ends(const struct quantizer *quantizer, const struct function *function,
                            const struct weight *weight, size_t *count) {
  size_t edges = weight->kind == WEIGHT_HISTOGRAM ? weight->histogram->bins + 1 : 0;
  size_t knots = function_knots(function, NULL, 0);
  struct function_knot *knot = malloc((knots + 1) * sizeof *knot);
  double *ends = malloc((quantizer->intervals + edges + knots + 2 * EVEN_PARTS + 2) * sizeof *ends), low, high;
  size_t n = 0;
  if (!knot || !ends) {
    free(knot);
    free(ends);
    return NULL;
  }
  weight_support(weight, &low, &high);
  knots = function_knots(function, knot, knots);
  for (int i = 0; i <= EVEN_PARTS; i++) {
    double from = asinh(low), to = asinh(high);
    ends[n++] = i == EVEN_PARTS ? high : low + (high - low) * i / EVEN_PARTS;
    if (i > 0 && i < EVEN_PARTS) {
      ends[n++] = sinh(from + (to - from) * i / EVEN_PARTS);
    }
  }
  for (size_t i = 0; i < knots; i++) {
    ends[n++] = knot[i].x;
  }
  for (size_t i = 0; i < edges; i++) {
    ends[n++] = weight->histogram->edges[i];
  }
  for (unsigned i = 0; i + 1 < quantizer->intervals; i++) {
    ends[n++] = quantizer->breakpoints_exact[i];
  }
  for (size_t i = 0; i < n; i++) { /* what lies outside comes to the ends and is empty */
    ends[i] = fmin(fmax(ends[i], low), high);
  }
  qsort(ends, n, sizeof *ends, compare_doubles);
  free(knot);
  *count = n;
  return ends;
}

int quantizer_measure(const struct quantizer *quantizer, const struct function *function, const struct weight *weight,
                      double *error, double *cosine, struct error *err) {
  struct integrand integrand = {function, weight, 0};
  double sums[QUADRATURE_VALUES] = {0};
  unsigned interval = 0;
  size_t count = 0;
  double *ends;
  int code = function_check(function, err);
  if (code < 0) {
    return code;
  }
  ends = collect_ends(quantizer, function, weight, &count);
  if (!ends) {
    return out_of_memory(err, "quantizer");
  }
  for (size_t i = 0; i + 1 < count; i++) {
    double middle = 0.5 * (ends[i] + ends[i + 1]);
    while (interval + 1 < quantizer->intervals && middle >= quantizer->breakpoints_exact[interval]) {
      interval++;
    }
    integrand.level = quantizer->levels_exact[quantizer->codes[interval]];
    quadrature_add(integrand_at, &integrand, 4, ends[i], ends[i + 1], sums);
  }
  free(ends);
  if (error) {
    *error = sums[0];
  }
  if (cosine) {
    *cosine = sums[2] > 0 && sums[3] > 0 ? sums[1] / sqrt(sums[2] * sums[3]) : sums[2] == sums[3];
  }
  return 0;
}
