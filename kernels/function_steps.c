/* The integral of a step function, piece by piece from the one that holds 0. */
#include "kernels/function_steps.h"

#include <math.h>
#include <string.h>

static double level_of(const struct quantizer *quantizer, unsigned interval) {
  return quantizer->levels_exact[quantizer->codes[interval]];
}

/* How many breakpoints, before their rounding to float32, are <= x; 0 for NaN. */
static unsigned find_interval(const struct quantizer *quantizer, double x) {
  unsigned low = 0, high = quantizer->intervals - 1;
  while (low < high) {
    const unsigned middle = (low + high) / 2;
    if (x >= quantizer->breakpoints_exact[middle]) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* At a breakpoint s neighbours agree: level x + offset is the same on both sides. */
void function_steps_init(struct function_steps *steps, const struct quantizer *quantizer) {
  const unsigned zero = find_interval(quantizer, 0);
  steps->quantizer = *quantizer;
  steps->offset[zero] = 0;
  for (unsigned i = zero; i + 1 < quantizer->intervals; i++) {
    const double s = quantizer->breakpoints_exact[i];
    steps->offset[i + 1] = steps->offset[i] + s * (level_of(quantizer, i) - level_of(quantizer, i + 1));
  }
  for (unsigned i = zero; i > 0; i--) {
    const double s = quantizer->breakpoints_exact[i - 1];
    steps->offset[i - 1] = steps->offset[i] + s * (level_of(quantizer, i) - level_of(quantizer, i - 1));
  }
}

static double value(double x, const void *context) {
  const struct function_steps *steps = context;
  const unsigned interval = find_interval(&steps->quantizer, x);
  const double level = level_of(&steps->quantizer, interval);
  return level == 0 && isinf(x) ? steps->offset[interval] : level * x + steps->offset[interval];
}

static double derivative(double x, const void *context) {
  const struct function_steps *steps = context;
  return (double)quantizer_level(&steps->quantizer, (float)x);
}

struct function_user function_steps_user(const struct function_steps *steps) {
  struct function_user user = {.value = value, .derivative = derivative, .context = steps};
  memcpy(user.name, steps->quantizer.name, sizeof user.name);
  return user;
}
