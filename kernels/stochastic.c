#include "kernels/stochastic.h"

#include "kernels/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

void stochastic_init(struct stochastic *stochastic, const struct quantizer *quantizer) {
  memset(stochastic, 0, sizeof *stochastic);
  stochastic->bits = quantizer->bits;
  for (unsigned code = 0; code < quantizer->levels_count; code++) { /* insertion: 256 at most */
    const double level = (double)quantizer->levels[code];
    unsigned i = stochastic->levels_count++;
    for (; i > 0 && stochastic->level[i - 1] > level; i--) {
      stochastic->level[i] = stochastic->level[i - 1];
      stochastic->code[i] = stochastic->code[i - 1];
    }
    stochastic->level[i] = level;
    stochastic->code[i] = (uint8_t)code;
  }
}

/* The code for a derivative, by a random number in [0, 1). */
static unsigned code_for(const struct stochastic *s, double derivative, double random) {
  unsigned low = 0, high = s->levels_count; /* the number of levels <= derivative is in [low, high] */
  while (low < high) {
    const unsigned middle = (low + high) / 2;
    if (derivative >= s->level[middle]) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) { /* NaN, or beyond the lowest */
    return s->code[0];
  }
  if (low == s->levels_count) {
    return s->code[low - 1];
  }
  const double below = s->level[low - 1], above = s->level[low];
  return s->code[random * (above - below) < derivative - below ? low : low - 1];
}

void stochastic_encode(const struct stochastic *stochastic, const struct function *function, const float *x,
                       uint8_t *codes, size_t n, uint64_t first, uint64_t seed) {
  unsigned word = 0, filled = 0;
  struct philox random = {{0}};
  for (size_t i = 0; i < n; i++) {
    const uint64_t number = first + i;
    if (i == 0 || number % 4 == 0) {
      random = philox_at(number / 4, 0, seed);
    }
    const double uniform = (double)random.word[number % 4] * 0x1p-32;
    word |= code_for(stochastic, function_derivative(function, (double)x[i]), uniform) << filled;
    filled += stochastic->bits;
    if (filled >= 8) {
      *codes++ = (uint8_t)word;
      word >>= 8;
      filled -= 8;
    }
  }
  if (filled > 0) {
    *codes = (uint8_t)word;
  }
}

/* ---- levels that span the range ---------------------------------------------------------------------------------- */

enum { SAMPLES = 8192, SWEEPS = 60, HALVINGS = 30 };

/* f' over the weight's support, sorted, with sums of weight and of weight f' before each. */
struct sample {
  double value, weight;
};

struct samples {
  struct sample at[SAMPLES];
  double weight[SAMPLES + 1], moment[SAMPLES + 1];
};

static int by_value(const void *a, const void *b) {
  const double x = ((const struct sample *)a)->value, y = ((const struct sample *)b)->value;
  return (x > y) - (x < y);
}

static void samples_init(struct samples *s, const struct function *function, const struct weight *weight) {
  double low, high;
  weight_support(weight, &low, &high);
  for (int i = 0; i < SAMPLES; i++) {
    const double x = low + (high - low) * (i + 0.5) / SAMPLES;
    s->at[i] = (struct sample){function_derivative(function, x), weight_density(weight, x)};
  }
  qsort(s->at, SAMPLES, sizeof *s->at, by_value);
  s->weight[0] = s->moment[0] = 0;
  for (int i = 0; i < SAMPLES; i++) {
    s->weight[i + 1] = s->weight[i] + s->at[i].weight;
    s->moment[i + 1] = s->moment[i] + s->at[i].weight * s->at[i].value;
  }
}

/* How many samples are below the value. */
static size_t rank(const struct samples *s, double value) {
  size_t low = 0, high = SAMPLES;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (s->at[middle].value < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* The derivative of the variance by a level between its neighbours: it rises with the level. */
static double slope(const struct samples *s, double below, double level, double above) {
  const size_t a = rank(s, below), b = rank(s, level), c = rank(s, above);
  const double left = s->moment[b] - s->moment[a] - below * (s->weight[b] - s->weight[a]);
  const double right = above * (s->weight[c] - s->weight[b]) - (s->moment[c] - s->moment[b]);
  return left - right;
}

static double best_between(const struct samples *s, double below, double above) {
  double low = below, high = above;
  for (int i = 0; i < HALVINGS; i++) {
    const double middle = (low + high) / 2;
    if (slope(s, below, middle, above) < 0) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return (low + high) / 2;
}

/* The extremes of f': over everywhere that a float may be, finely where f' still moves, then closer around the best. */
static double extreme(const struct function *function, double sign) {
  enum { STEPS = 16384 };
  const double far = 64;
  double best = 0, best_value = -INFINITY;
  for (int i = 0; i <= STEPS; i++) {
    const double x = far * (2.0 * i / STEPS - 1), value = sign * function_derivative(function, x);
    if (value > best_value) {
      best = x, best_value = value;
    }
  }
  for (int exponent = 7; exponent < 127; exponent += 2) {
    best_value = fmax(best_value, sign * function_derivative(function, ldexp(1, exponent)));
    best_value = fmax(best_value, sign * function_derivative(function, -ldexp(1, exponent)));
  }
  for (int closer = 0; closer < 12; closer++) {
    const double step = ldexp(2 * far / STEPS, -2 * closer), around = best;
    for (int i = -8; i <= 8; i++) {
      const double x = around + i * step / 8, value = sign * function_derivative(function, x);
      if (value > best_value) {
        best = x, best_value = value;
      }
    }
  }
  return sign * best_value;
}

/* The float nearest to a bound of f' that f' does not go beyond; the bound itself if it is a float. */
static double bound(double extreme_value, float outwards) {
  const float rounded = (float)extreme_value;
  const double beyond = outwards > 0 ? extreme_value - (double)rounded : (double)rounded - extreme_value;
  return beyond > 0 ? (double)nextafterf(rounded, outwards) : (double)rounded;
}

/* Evenly first, then each in turn where it is best between its neighbours, until they rest. */
static void place_levels(const struct samples *samples, double *level, unsigned count) {
  for (unsigned i = 1; i + 1 < count; i++) {
    level[i] = level[0] + (level[count - 1] - level[0]) * i / (count - 1);
  }
  double moved = INFINITY;
  for (int sweep = 0; sweep < SWEEPS && moved > 1e-7; sweep++) {
    moved = 0;
    for (unsigned i = 1; i + 1 < count; i++) {
      const double best = best_between(samples, level[i - 1], level[i + 1]);
      moved = fmax(moved, fabs(best - level[i]));
      level[i] = best;
    }
  }
}

int stochastic_span(struct quantizer *quantizer, const struct function *function, struct error *err) {
  struct samples *samples = malloc(sizeof *samples);
  if (!samples) {
    return error_set(err, ERROR_MEMORY, "levels for stochastic rounding: out of memory");
  }
  struct weight weight = quantizer->weight;
  if (weight.kind == WEIGHT_HISTOGRAM) { /* a quantizer remembers where it lay at most; one from a file not even that */
    weight.kind = WEIGHT_UNIFORM;
    weight = weight.a < weight.b ? weight : weight_default;
  }
  samples_init(samples, function, &weight);
  const unsigned count = 1u << quantizer->bits;
  double level[QUANTIZER_LEVELS_MAX];
  level[0] = bound(extreme(function, -1), -INFINITY);
  level[count - 1] = bound(extreme(function, 1), INFINITY);
  place_levels(samples, level, count);
  free(samples);
  quantizer->levels_count = count;
  for (unsigned i = 0; i < count; i++) {
    quantizer->levels[i] = (float)level[i];
    quantizer->levels_exact[i] = (double)quantizer->levels[i];
  }
  quantizer->intervals = 1;
  quantizer->codes[0] = 0;
  return 0;
}
