/* Stochastic rounding: f'(x) between two neighbouring levels gets either, with the probability that makes the level's
 * expectation f'(x) itself. So the gradient is unbiased wherever f'(x) lies between the lowest and the highest level;
 * what lies beyond is clamped. stochastic_span makes levels that span the whole range of f'.
 *
 * Plain C in double, the same codes on every instruction set. Element i of a stream takes word i % 4 of Philox4x32-10
 * at counter i / 4 under the seed as key: the codes depend on seed, number of the element, and x, on nothing else. NaN
 * gets the lowest level. */
#ifndef ACTSCOPE_KERNELS_STOCHASTIC_H
#define ACTSCOPE_KERNELS_STOCHASTIC_H

#include "kernels/quantizer.h"

struct stochastic {
  unsigned bits, levels_count;
  double level[QUANTIZER_LEVELS_MAX]; /* ascending */
  uint8_t code[QUANTIZER_LEVELS_MAX]; /* of each */
};

void stochastic_init(struct stochastic *stochastic, const struct quantizer *quantizer);

/* The codes of n floats, numbers first .. first + n - 1 of the stream of random numbers. */
void stochastic_encode(const struct stochastic *stochastic, const struct function *function, const float *x,
                       uint8_t *codes, size_t n, uint64_t first, uint64_t seed);

/* Replaces a fitted quantizer's levels by as many as its bits allow that span the range of f', the inner ones where
 * they make the variance of the rounding, the integral of w (f' - low) (high - f'), least. No
 * breakpoints remain: what they are for, chance does. */
int stochastic_span(struct quantizer *quantizer, const struct function *function, struct error *err);

#endif
