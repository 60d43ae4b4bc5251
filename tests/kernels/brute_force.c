#include "tests/kernels/brute_force.h"

#include <math.h>
#include <stdlib.h>

/* ---- derivatives, by the textbook -------------------------------------------------------------------------------- */

static double sigmoid_of(double x) {
  return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double gelu(double x) {
  return 0.5 * (1 + erf(x / sqrt(2))) + x * exp(-x * x / 2) / sqrt(2 * M_PI);
}

static double gelu_tanh(double x) {
  double k = sqrt(2 / M_PI), t = tanh(k * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * 0.044715 * x * x);
}

static double silu(double x) {
  double s = sigmoid_of(x);
  return s + x * s * (1 - s);
}

static double mish(double x) {
  double t = tanh(log(1 + exp(x)));
  return t + x * (1 - t * t) * sigmoid_of(x);
}

static double elu(double x) {
  return x > 0 ? 1 : exp(x);
}

static double selu(double x) {
  return 1.0507009873554805 * (x > 0 ? 1 : 1.6732632423543772 * exp(x));
}

static double hardswish(double x) {
  return x < -3 ? 0 : x > 3 ? 1 : (2 * x + 3) / 6;
}

static double logsigmoid(double x) {
  return sigmoid_of(-x);
}

static double sigmoid(double x) {
  return sigmoid_of(x) * (1 - sigmoid_of(x));
}

static double tanh_derivative(double x) {
  return 1 - tanh(x) * tanh(x);
}

static double softsign(double x) {
  return 1 / ((1 + fabs(x)) * (1 + fabs(x)));
}

static double tanhshrink(double x) {
  return tanh(x) * tanh(x);
}

const struct brute_case brute_cases[] = {{"gelu", gelu},
                                         {"gelu_tanh", gelu_tanh},
                                         {"silu", silu},
                                         {"mish", mish},
                                         {"softplus", sigmoid_of},
                                         {"elu", elu},
                                         {"celu", elu},
                                         {"selu", selu},
                                         {"hardswish", hardswish},
                                         {"logsigmoid", logsigmoid},
                                         {"sigmoid", sigmoid},
                                         {"tanh", tanh_derivative},
                                         {"softsign", softsign},
                                         {"tanhshrink", tanhshrink}};
const size_t brute_cases_count = sizeof brute_cases / sizeof *brute_cases;

double brute_uniform(double x) {
  (void)x;
  return 1;
}

double brute_normal(double x) {
  return exp(-x * x / 2) / sqrt(2 * M_PI);
}

/* ---- the dynamic program ----------------------------------------------------------------------------------------- */

struct cell {
  double mass, first, second;
};

/* Eight midpoints a cell. */
static struct cell measure(brute_function *derivative, brute_weight *weight, double low, double width) {
  enum { POINTS = 8 };
  struct cell cell = {0, 0, 0};
  for (int i = 0; i < POINTS; i++) {
    double x = low + width * (i + 0.5) / POINTS, w = weight(x) * width / POINTS, f = derivative(x);
    cell.mass += w;
    cell.first += w * f;
    cell.second += w * f * f;
  }
  return cell;
}

static int by_mean(const void *a, const void *b) {
  const struct cell *p = a, *q = b;
  double difference = p->first / p->mass - q->first / q->mass;
  return (difference > 0) - (difference < 0);
}

/* best[i] = least error of cells 0 .. i - 1 on one level more than before[] had. */
static void add_level(const struct cell *cells, size_t count, const double *before, double *best) {
  best[0] = 0;
  for (size_t end = 1; end <= count; end++) {
    struct cell sum = {0, 0, 0};
    best[end] = before[end];
    for (size_t begin = end; begin-- > 0;) {
      double error;
      sum.mass += cells[begin].mass;
      sum.first += cells[begin].first;
      sum.second += cells[begin].second;
      error = sum.second - sum.first * sum.first / sum.mass;
      if (before[begin] + error < best[end]) {
        best[end] = before[begin] + error;
      }
    }
  }
}

void brute_force(brute_function *derivative, brute_weight *weight, double low, double high, size_t cells, bool sorted,
                 unsigned bits, double *errors) {
  struct cell *cell = malloc(cells * sizeof *cell);
  double *before = malloc((cells + 1) * sizeof *before), *best = malloc((cells + 1) * sizeof *best);
  double width = (high - low) / (double)cells;
  for (size_t i = 0; i < cells; i++) {
    cell[i] = measure(derivative, weight, low + width * (double)i, width);
  }
  if (sorted) {
    qsort(cell, cells, sizeof *cell, by_mean);
  }
  before[0] = 0;
  for (size_t i = 1; i <= cells; i++) {
    before[i] = INFINITY;
  }
  for (unsigned level = 1, bit = 1; bit <= bits; level++) {
    double *swap = before;
    add_level(cell, cells, before, best);
    before = best;
    best = swap;
    if (level == 1u << bit) {
      errors[bit++] = before[cells];
    }
  }
  free(cell);
  free(before);
  free(best);
}
