/* Fits, checks and measures quantizers. */
#include "kernels/quantizer.h"

#include "kernels/fit.h"
#include "kernels/out_of_memory.h"
#include "kernels/quantizer_exact.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *quantizer_method_name(enum quantizer_method method) {
  return method == QUANTIZER_VALUE ? "value" : "interval";
}

float quantizer_level(const struct quantizer *quantizer, float x) {
  unsigned low = 0, high = quantizer->intervals - 1;
  while (low < high) { /* the number of breakpoints <= x; NaN is below them all */
    unsigned middle = (low + high) / 2;
    if (x >= quantizer->breakpoints[middle]) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return quantizer->levels[quantizer->codes[low]];
}

/* ---- from exact figures to those of the kernels -------------------------------------------------------------------- */

/* Of breakpoints that are one in float32 the last stands, as the stretches between them are empty. Equal codes on both
 * sides are one stretch. */
static void round_breakpoints(struct quantizer *quantizer) {
  unsigned kept = 0;
  for (unsigned i = 0; i + 1 < quantizer->intervals; i++) {
    float x = (float)quantizer->breakpoints_exact[i];
    if (kept && x <= quantizer->breakpoints[kept - 1]) {
      kept--;
    }
    quantizer->breakpoints[kept] = x;
    quantizer->breakpoints_exact[kept] = quantizer->breakpoints_exact[i];
    quantizer->codes[kept + 1] = quantizer->codes[i + 1];
    kept++;
  }
  quantizer->intervals = kept + 1;
}

void quantizer_round(struct quantizer *quantizer) {
  round_breakpoints(quantizer);
  memset(quantizer->levels, 0, sizeof quantizer->levels);
  for (unsigned i = 0; i < quantizer->levels_count; i++) {
    quantizer->levels[i] = (float)quantizer->levels_exact[i];
  }
}

static void identify(struct quantizer *quantizer, const struct function *function) {
  quantizer->function = function->id;
  memcpy(quantizer->params, function->params, sizeof quantizer->params);
  strncpy(quantizer->name, function_name(function), sizeof quantizer->name - 1);
}

/* ---- from tables ----------------------------------------------------------------------------------------------- */

static int check_table(const double *breakpoints, const uint8_t *codes, unsigned intervals, const double *levels,
                       unsigned levels_count, struct error *err) {
  if (intervals < 1 || intervals > QUANTIZER_INTERVALS_MAX || levels_count < 1 || levels_count > QUANTIZER_LEVELS_MAX ||
      (!codes && levels_count < intervals)) {
    return error_set(err, ERROR_INPUT, "quantizer: %u intervals and %u levels; at most %d and %d go together",
                     intervals, levels_count, QUANTIZER_INTERVALS_MAX, QUANTIZER_LEVELS_MAX);
  }
  for (unsigned i = 0; i + 1 < intervals; i++) {
    if (!isfinite((float)breakpoints[i]) || (i && !(breakpoints[i] > breakpoints[i - 1]))) {
      return error_set(err, ERROR_INPUT, "quantizer: breakpoint %u (%g) does not ascend", i + 1, breakpoints[i]);
    }
  }
  for (unsigned i = 0; i < levels_count; i++) {
    if (!isfinite((float)levels[i])) {
      return error_set(err, ERROR_INPUT, "quantizer: level %u is no finite number", i + 1);
    }
  }
  for (unsigned i = 0; codes && i < intervals; i++) {
    if (codes[i] >= levels_count) {
      return error_set(err, ERROR_INPUT, "quantizer: interval %u has level %u of %u", i + 1, codes[i], levels_count);
    }
  }
  return 0;
}

static unsigned bits_for(unsigned levels) {
  unsigned bits = 1;
  while (1u << bits < levels) {
    bits++;
  }
  return bits;
}

int quantizer_from_table(struct quantizer *quantizer, const struct function *function, const double *breakpoints,
                         const uint8_t *codes, unsigned intervals, const double *levels, unsigned levels_count,
                         struct error *err) {
  int code = check_table(breakpoints, codes, intervals, levels, levels_count, err);
  *quantizer = (struct quantizer){.weight = weight_default, .method = codes ? QUANTIZER_VALUE : QUANTIZER_INTERVAL};
  quantizer->error = quantizer->cosine = quantizer->lower_bound = quantizer->residual = NAN;
  if (code < 0) {
    return code;
  }
  identify(quantizer, function);
  quantizer->intervals = intervals;
  quantizer->levels_count = levels_count;
  quantizer->bits = bits_for(levels_count);
  memcpy(quantizer->levels_exact, levels, levels_count * sizeof *levels);
  if (intervals > 1) {
    memcpy(quantizer->breakpoints_exact, breakpoints, (intervals - 1) * sizeof *breakpoints);
  }
  for (unsigned i = 0; i < intervals; i++) {
    quantizer->codes[i] = codes ? codes[i] : (uint8_t)i;
  }
  quantizer_round(quantizer);
  return 0;
}

/* ---- fitting --------------------------------------------------------------------------------------------------- */

static void from_partition(struct quantizer *quantizer, const struct partition *partition) {
  quantizer->intervals = partition->cuts + 1;
  quantizer->levels_count = partition->levels;
  for (unsigned i = 0; i < partition->cuts; i++) {
    quantizer->breakpoints_exact[i] = partition->cut[i].x;
  }
  memcpy(quantizer->codes, partition->code, quantizer->intervals);
  memcpy(quantizer->levels_exact, partition->level, partition->levels * sizeof *partition->level);
  quantizer->residual = partition->residual;
}

/* The grid's bound less what rounding can have added to it. */
static double bound(const struct quantizer *quantizer, const struct grid *grid) {
  double rounding = 1e-14 * (double)grid->second[grid->cells];
  return fmax(0, fmin(quantizer->lower_bound - rounding, quantizer->error));
}

static int fit(struct quantizer *quantizer, const struct function *function, const struct weight *weight,
               struct error *err) {
  size_t cells = quantizer->bits <= 4 ? 4096 : quantizer->bits <= 6 ? 8192 : 16384;
  struct partition *partition = calloc(1, sizeof *partition);
  struct grid grid = {0};
  int code = partition ? grid_build(&grid, function, weight, cells, err) : out_of_memory(err, "fit");
  if (code == 0) {
    code = (quantizer->method == QUANTIZER_VALUE ? fit_value : fit_interval)(partition, &grid, 1u << quantizer->bits,
                                                                             &quantizer->lower_bound, err);
  }
  if (code == 0) {
    from_partition(quantizer, partition);
    quantizer_round(quantizer);
    code = quantizer_measure(quantizer, function, weight, &quantizer->error, &quantizer->cosine, err);
    quantizer->lower_bound = bound(quantizer, &grid);
  }
  grid_fini(&grid);
  free(partition);
  return code;
}

int quantizer_fit(struct quantizer *quantizer, const struct function *function, unsigned bits,
                  enum quantizer_method method, const struct weight *weight, struct error *err) {
  int code = function_check(function, err);
  *quantizer = (struct quantizer){.bits = bits, .method = method, .weight = *weight};
  quantizer->weight.histogram = NULL;
  if (code < 0) {
    return code;
  }
  if (bits < 1 || bits > QUANTIZER_BITS_MAX) {
    return error_set(err, ERROR_USAGE, "%u bits: 1 to %d can be fitted", bits, QUANTIZER_BITS_MAX);
  }
  identify(quantizer, function);
  return quantizer_exact(quantizer, function) ? 0 : fit(quantizer, function, weight, err);
}

int quantizer_get(struct quantizer *quantizer, const struct function *function, unsigned bits,
                  enum quantizer_method method, const struct weight *weight, struct error *err) {
  const double *defaults = function_traits(function->id)->defaults;
  bool stored = !function->user && weight->kind == weight_default.kind && weight->a == weight_default.a &&
                weight->b == weight_default.b;
  for (unsigned i = 0; i < FUNCTION_PARAMS; i++) {
    stored = stored && function->params[i] == defaults[i];
  }
  if (stored && quantizer_builtin(quantizer, function->id, bits, method, NULL) == 0) {
    return 0;
  }
  return quantizer_fit(quantizer, function, bits, method, weight, err);
}
