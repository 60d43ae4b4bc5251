/* Polishing for method `value`: the levels l are the unknowns, the equations l_i mass_i = first_i, where the set of l_i
 * lies between the midpoints of neighbours. Moving l_i by d moves both midpoints by d / 2, each carrying the density of
 * values there: a symmetric tridiagonal Jacobian. */
#include "kernels/fit.h"
#include "kernels/out_of_memory.h"

#include <math.h>
#include <stdlib.h>

enum { STEPS_MAX = 200 };

/* Density of f' at each midpoint t_i: the sum of w / |f''| over the cuts between levels i and i + 1. */
static void density_at_midpoints(const struct partition *partition, const struct grid *grid, double *density) {
  for (unsigned i = 0; i < partition->levels; i++) {
    density[i] = 0;
  }
  for (unsigned i = 0; i < partition->cuts; i++) {
    const struct cut *cut = &partition->cut[i];
    unsigned a = partition->code[i], b = partition->code[i + 1];
    double slope = cut->jump ? 0 : fabs(grid_slope(grid, cut->cell, cut->x));
    if (slope > 0) {
      density[a < b ? a : b] += weight_density(grid->weight, cut->x) / slope;
    }
  }
}

/* levels of `next` = Newton's; false if it cannot be had or they would not ascend. */
static bool newton(const struct partition *now, const struct grid *grid, struct partition *next) {
  double density[QUANTIZER_LEVELS_MAX], lower[QUANTIZER_LEVELS_MAX], upper[QUANTIZER_LEVELS_MAX],
      diagonal[QUANTIZER_LEVELS_MAX], step[QUANTIZER_LEVELS_MAX];
  unsigned count = now->levels;
  density_at_midpoints(now, grid, density);
  for (unsigned i = 0; i < count; i++) {
    double below = i ? density[i - 1] * (now->level[i] - now->level[i - 1]) / 4 : 0;
    double above = i + 1 < count ? density[i] * (now->level[i + 1] - now->level[i]) / 4 : 0;
    lower[i] = -below;
    upper[i] = -above;
    diagonal[i] = (double)now->sums[i].mass - below - above;
    step[i] = (double)(now->sums[i].first - now->level[i] * now->sums[i].mass);
  }
  if (!tridiagonal_solve(lower, diagonal, upper, step, count)) {
    return false;
  }
  for (unsigned i = 0; i < count; i++) {
    next->level[i] = now->level[i] + step[i];
    if (diagonal[i] <= 0 || !isfinite(next->level[i]) || (i && next->level[i] <= next->level[i - 1])) {
      return false; /* no minimum in sight */
    }
  }
  return true;
}

static int rate(struct partition *partition, const struct grid *grid, struct error *err) {
  int code = fit_value_cut(partition, grid, err);
  if (code == 0) {
    partition_rate(partition, grid);
  }
  return code;
}

int polish_value(struct partition *partition, const struct grid *grid, struct error *err) {
  struct partition *next = malloc(sizeof *next);
  unsigned idle = 0;
  int code = next ? 0 : out_of_memory(err, "fit");
  for (int i = 0; code == 0 && i < STEPS_MAX && partition->residual > 1e-15 && idle < 3; i++) {
    *next = *partition;
    if (newton(partition, grid, next)) {
      code = rate(next, grid, err);
      if (code == 0 && next->residual < partition->residual && next->error <= partition->error * (1 + 1e-9) + 1e-18) {
        idle = next->residual > 0.5 * partition->residual ? idle + 1 : 0;
        *partition = *next;
        continue;
      }
      *next = *partition;
    }
    partition_centre(next); /* Lloyd's step: slow, but never up */
    code = code == 0 ? rate(next, grid, err) : code;
    if (code == 0 && next->error <= partition->error) {
      idle = next->residual < partition->residual && partition->residual > 1e-13 ? 0 : idle + 1;
      *partition = *next;
    } else {
      idle = 3;
    }
  }
  free(next);
  return code;
}
