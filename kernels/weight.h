/* How much each x counts when levels are fitted: the density w(x) in the integral of w(x) (f'(x) - q(x))^2.
 *
 *   uniform:A:B      w = 1 on [A, B] (not 1 / (B - A): errors compare with the paper's)
 *   normal:MEAN:STD  the normal density
 *   histogram:FILE   the density of a histogram, its integral 1
 */
#ifndef ACTSCOPE_KERNELS_WEIGHT_H
#define ACTSCOPE_KERNELS_WEIGHT_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>

enum weight_kind { WEIGHT_UNIFORM, WEIGHT_NORMAL, WEIGHT_HISTOGRAM };

struct weight_histogram {
  size_t bins;
  double *edges;   /* bins + 1, ascending */
  double *density; /* bins, >= 0; the integral is 1 */
};

struct weight {
  enum weight_kind kind;
  double a, b; /* uniform: the ends; normal: mean and standard deviation; histogram: first and last edge */
  struct weight_histogram
      *histogram; /* WEIGHT_HISTOGRAM only; owned by who parsed it, NULL inside a struct quantizer */
};

/* The default, argued in docs/quantizers.md. */
extern const struct weight weight_default;

/* "uniform:-10:10", "normal:0:1", "histogram:FILE". weight_fini frees what it allocated. */
int weight_parse(struct weight *weight, const char *text, struct error *err);
/* counts of bins between edges, as numpy.histogram returns them. */
int weight_from_histogram(struct weight *weight, const double *edges, const double *counts, size_t bins,
                          struct error *err);
void weight_fini(struct weight *weight);
/* Writes it as weight_parse reads it; a histogram's file is not remembered: "histogram". Returns text. */
char *weight_format(const struct weight *weight, char *text, size_t size);

double weight_density(const struct weight *weight, double x);
/* The interval outside of which w is 0, or below 1e-22 of the whole. */
void weight_support(const struct weight *weight, double *low, double *high);

#endif
