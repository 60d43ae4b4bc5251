/* A partition of the support: cuts on x, the level of each stretch between them. What fits and polishing work on. */
#ifndef ACTSCOPE_KERNELS_PARTITION_H
#define ACTSCOPE_KERNELS_PARTITION_H

#include "kernels/grid.h"
#include "kernels/quantizer.h"

struct cut {
  double x;
  size_t cell; /* that x lies in, or begins */
  bool jump;   /* at a jump of f' that goes over the mean of both levels, or where w is 0: no equation holds here */
};

struct partition {
  unsigned cuts; /* stretches - 1 */
  struct cut cut[QUANTIZER_INTERVALS_MAX - 1];
  uint8_t code[QUANTIZER_INTERVALS_MAX];
  unsigned levels;
  double level[QUANTIZER_LEVELS_MAX];
  struct grid_sums sums[QUANTIZER_LEVELS_MAX]; /* over the stretches of each level */
  double error;                                /* with these levels */
  double residual;
};

/* Fills in sums from cuts and codes; and error and residual from sums, cuts and levels. */
void partition_sum(struct partition *partition, const struct grid *grid);
void partition_rate(struct partition *partition, const struct grid *grid);
/* Sets every level to the mean of f' over its stretches; an empty one stays. */
void partition_centre(struct partition *partition);

/* Solves the symmetric or unsymmetric tridiagonal system in place: rhs becomes the solution. False if it is singular. */
bool tridiagonal_solve(const double *lower, double *diagonal, const double *upper, double *rhs, unsigned count);

#endif
