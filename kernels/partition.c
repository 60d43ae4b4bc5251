/* Sums, errors and residuals of partitions. */
#include "kernels/partition.h"

#include <math.h>

void partition_sum(struct partition *partition, const struct grid *grid) {
  struct grid_sums before = {0}, after;
  for (unsigned i = 0; i < partition->levels; i++) {
    partition->sums[i] = (struct grid_sums){0};
  }
  for (unsigned i = 0; i <= partition->cuts; i++) {
    struct grid_sums *sums = &partition->sums[partition->code[i]];
    if (i < partition->cuts) {
      after = grid_sums_at(grid, partition->cut[i].cell, partition->cut[i].x);
    } else {
      after = (struct grid_sums){grid->mass[grid->cells], grid->first[grid->cells], grid->second[grid->cells]};
    }
    sums->mass += after.mass - before.mass;
    sums->first += after.first - before.first;
    sums->second += after.second - before.second;
    before = after;
  }
}

void partition_centre(struct partition *partition) {
  for (unsigned i = 0; i < partition->levels; i++) {
    const struct grid_sums *sums = &partition->sums[i];
    if (sums->mass > 0) {
      partition->level[i] = (double)(sums->first / sums->mass);
    }
  }
}

void partition_rate(struct partition *partition, const struct grid *grid) {
  long double error = 0;
  double residual = 0;
  for (unsigned i = 0; i < partition->levels; i++) {
    const struct grid_sums *sums = &partition->sums[i];
    long double level = partition->level[i];
    if (sums->mass > 0) {
      error += sums->second - level * (2 * sums->first - level * sums->mass);
      residual = fmax(residual, fabs((double)(sums->first / sums->mass - level)));
    }
  }
  for (unsigned i = 0; i < partition->cuts; i++) {
    const struct cut *cut = &partition->cut[i];
    double middle = 0.5 * (partition->level[partition->code[i]] + partition->level[partition->code[i + 1]]);
    if (!cut->jump) {
      residual = fmax(residual, fabs(function_derivative(grid->function, cut->x) - middle));
    }
  }
  partition->error = fmax(0, (double)error);
  partition->residual = residual;
}

bool tridiagonal_solve(const double *lower, double *diagonal, const double *upper, double *rhs, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    if (i) {
      double factor = lower[i] / diagonal[i - 1];
      diagonal[i] -= factor * upper[i - 1];
      rhs[i] -= factor * rhs[i - 1];
    }
    if (!(fabs(diagonal[i]) > 0) || !isfinite(diagonal[i])) {
      return false;
    }
  }
  for (unsigned i = count; i-- > 0;) {
    rhs[i] = (rhs[i] - (i + 1 < count ? upper[i] * rhs[i + 1] : 0)) / diagonal[i];
  }
  return true;
}
