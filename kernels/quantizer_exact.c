/* Exact quantizers: as many levels as there are slopes, breakpoints at the knots to the last float. */
#include "kernels/quantizer_exact.h"

#include <math.h>

/* The first float of the piece on the right of the knot, as PyTorch's kernels compare: with the parameter as a float. */
static float first_above(const struct function_knot *knot) {
  float x = (float)knot->x;
  return knot->above ? nextafterf(x, INFINITY) : x;
}

static unsigned find_level(const struct quantizer *quantizer, double slope) {
  unsigned i = 0;
  while (i < quantizer->levels_count && quantizer->levels_exact[i] != slope) {
    i++;
  }
  return i;
}

static void swap_levels(struct quantizer *quantizer, unsigned i, unsigned j) {
  double level = quantizer->levels_exact[i];
  quantizer->levels_exact[i] = quantizer->levels_exact[j];
  quantizer->levels_exact[j] = level;
  for (unsigned k = 0; k < quantizer->intervals; k++) {
    quantizer->codes[k] = (uint8_t)(quantizer->codes[k] == i ? j : quantizer->codes[k] == j ? i : quantizer->codes[k]);
  }
}

/* `value` promises ascending levels. */
static void sort_levels(struct quantizer *quantizer) {
  for (unsigned i = 1; i < quantizer->levels_count; i++) {
    for (unsigned j = i; j > 0 && quantizer->levels_exact[j] < quantizer->levels_exact[j - 1]; j--) {
      swap_levels(quantizer, j, j - 1);
    }
  }
}

/* Pieces of one slope each; false if they do not fit. */
static bool collect(struct quantizer *quantizer, const struct function *function, const struct function_knot *knots,
                    size_t count) {
  unsigned most = 1u << quantizer->bits;
  double slope = function_derivative_side(function, knots[0].x, -1);
  quantizer->intervals = quantizer->levels_count = 1;
  quantizer->codes[0] = 0;
  quantizer->levels_exact[0] = slope;
  for (size_t i = 0; i < count; i++) {
    double next = function_derivative_side(function, knots[i].x, 1);
    unsigned level;
    if (next == slope || (i + 1 < count && knots[i + 1].x == knots[i].x)) {
      continue;
    }
    slope = next;
    level = quantizer->method == QUANTIZER_VALUE ? find_level(quantizer, slope) : quantizer->levels_count;
    if (level == most || quantizer->intervals == QUANTIZER_INTERVALS_MAX) {
      return false;
    }
    quantizer->levels_exact[level] = slope;
    quantizer->levels_count += level == quantizer->levels_count;
    quantizer->breakpoints[quantizer->intervals - 1] = first_above(&knots[i]);
    quantizer->breakpoints_exact[quantizer->intervals - 1] = (double)first_above(&knots[i]);
    quantizer->codes[quantizer->intervals++] = (uint8_t)level;
  }
  return true;
}

bool quantizer_exact(struct quantizer *quantizer, const struct function *function) {
  struct function_knot knots[QUANTIZER_INTERVALS_MAX];
  size_t count = function_knots(function, knots, QUANTIZER_INTERVALS_MAX);
  if (!function_traits(function->id)->piecewise_linear || count == 0 || count > QUANTIZER_INTERVALS_MAX ||
      !collect(quantizer, function, knots, count)) {
    return false;
  }
  if (quantizer->method == QUANTIZER_VALUE) {
    sort_levels(quantizer);
  }
  for (unsigned i = 0; i < QUANTIZER_LEVELS_MAX; i++) {
    quantizer->levels[i] = i < quantizer->levels_count ? (float)quantizer->levels_exact[i] : 0;
  }
  quantizer->error = quantizer->residual = quantizer->lower_bound = 0;
  quantizer->cosine = 1;
  return true;
}
