/* Sums of float arrays in double precision. Eight sums side by side, joined at the end in a fixed order: the compiler
 * may use vectors without being allowed to reorder, and the result depends on nothing but the array. */
#ifndef ACTSCOPE_KERNELS_LAYERS_REDUCE_H
#define ACTSCOPE_KERNELS_LAYERS_REDUCE_H

#include <stddef.h>

enum { REDUCE_LANES = 8 };

static inline double reduce_join(const double lanes[REDUCE_LANES]) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

static inline double reduce_sum(const float *x, size_t n) {
  double lanes[REDUCE_LANES] = {0};
  const size_t whole = n - n % REDUCE_LANES;
  for (size_t i = 0; i < whole; i += REDUCE_LANES) {
    for (size_t j = 0; j < REDUCE_LANES; j++) {
      lanes[j] += (double)x[i + j];
    }
  }
  for (size_t i = whole; i < n; i++) {
    lanes[0] += (double)x[i];
  }
  return reduce_join(lanes);
}

/* Of (x - mean)^2. */
static inline double reduce_square_deviations(const float *x, double mean, size_t n) {
  double lanes[REDUCE_LANES] = {0};
  const size_t whole = n - n % REDUCE_LANES;
  for (size_t i = 0; i < whole; i += REDUCE_LANES) {
    for (size_t j = 0; j < REDUCE_LANES; j++) {
      const double deviation = (double)x[i + j] - mean;
      lanes[j] += deviation * deviation;
    }
  }
  for (size_t i = whole; i < n; i++) {
    const double deviation = (double)x[i] - mean;
    lanes[0] += deviation * deviation;
  }
  return reduce_join(lanes);
}

/* Of (x - mean) y. */
static inline double reduce_dot(const float *x, double mean, const float *y, size_t n) {
  double lanes[REDUCE_LANES] = {0};
  const size_t whole = n - n % REDUCE_LANES;
  for (size_t i = 0; i < whole; i += REDUCE_LANES) {
    for (size_t j = 0; j < REDUCE_LANES; j++) {
      lanes[j] += ((double)x[i + j] - mean) * (double)y[i + j];
    }
  }
  for (size_t i = whole; i < n; i++) {
    lanes[0] += ((double)x[i] - mean) * (double)y[i];
  }
  return reduce_join(lanes);
}

#endif
