#include "kernels/layers/softmax.h"

#include "kernels/layers/float_exp.h"
#include "kernels/layers/reduce.h"

#include <math.h>

/* e^x is a normal number down to here; below, 0 will do beside the row's largest, which is 1. */
static const float LOWEST = -87;

static float maximum(const float *x, size_t n) {
  float lanes[REDUCE_LANES], largest;
  for (size_t j = 0; j < REDUCE_LANES; j++) {
    lanes[j] = -INFINITY;
  }
  const size_t whole = n - n % REDUCE_LANES;
  for (size_t i = 0; i < whole; i += REDUCE_LANES) {
    for (size_t j = 0; j < REDUCE_LANES; j++) {
      lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
    }
  }
  largest = lanes[0];
  for (size_t j = 1; j < REDUCE_LANES; j++) {
    largest = lanes[j] > largest ? lanes[j] : largest;
  }
  for (size_t i = whole; i < n; i++) {
    largest = x[i] > largest ? x[i] : largest;
  }
  return largest;
}

void softmax_row(float *x, float scale, size_t n) {
  const float largest = maximum(x, n);
  for (size_t i = 0; i < n; i++) {
    const float exponent = (x[i] - largest) * scale, power = float_exp(exponent);
    x[i] = exponent < LOWEST ? 0 : power;
  }
  const float share = (float)(1 / reduce_sum(x, n));
  for (size_t i = 0; i < n; i++) {
    x[i] *= share;
  }
}

void softmax_row_backward(const float *y, float *dy, float scale, size_t n) {
  const float mean = (float)reduce_dot(y, 0, dy, n);
  for (size_t i = 0; i < n; i++) {
    dy[i] = y[i] * (dy[i] - mean) * scale;
  }
}
