/* The two fits: the best on the grid by dynamic programming, with a bound below every quantizer's error; then polished
 * until the optimality conditions hold. docs/quantizers.md has the mathematics. */
#ifndef ACTSCOPE_KERNELS_FIT_H
#define ACTSCOPE_KERNELS_FIT_H

#include "kernels/grid.h"
#include "kernels/partition.h"

/* At most `levels` levels. *lower is the bound. ERROR_INPUT if more than QUANTIZER_INTERVALS_MAX intervals are needed. */
int fit_value(struct partition *partition, const struct grid *grid, unsigned levels, double *lower, struct error *err);
int fit_interval(struct partition *partition, const struct grid *grid, unsigned levels, double *lower,
                 struct error *err);

/* The cuts and codes that ascending levels give, each x the nearest level; levels are kept, sums filled in. */
int fit_value_cut(struct partition *partition, const struct grid *grid, struct error *err);

/* Newton's method on the optimality conditions from a good start; never leaves the error higher. */
int polish_value(struct partition *partition, const struct grid *grid, struct error *err);
void polish_interval(struct partition *partition, const struct grid *grid);

#endif
