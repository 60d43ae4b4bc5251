/* Polishing for method `interval`: the cuts s are the unknowns, the equations 2 f'(s_i) = l_i + l_(i+1), levels being the
 * means between cuts. Each depends on its neighbours alone: a tridiagonal Jacobian. A cut at a jump of f' that goes
 * over the mean of both levels stays there; one where w is 0 has no equation either. */
#include "kernels/fit.h"

#include <math.h>
#include <stdlib.h>

enum { STEPS_MAX = 100 };

/* f' on the sides of a cut minus the mean of both levels */
struct sides {
  double left, right;
};

static struct sides sides_of(const struct partition *partition, const struct grid *grid, unsigned i) {
  const struct cut *cut = &partition->cut[i];
  double middle = 0.5 * (partition->level[i] + partition->level[i + 1]);
  return (struct sides){function_derivative_side(grid->function, cut->x, -1) - middle,
                        function_derivative_side(grid->function, cut->x, 1) - middle};
}

static bool at_jump(const struct grid *grid, const struct cut *cut) {
  return cut->x == grid->x[cut->cell] && grid->mark[cut->cell] & GRID_JUMP;
}

/* Where w is 0 it is all the same to the error where a cut lies: it goes to where f' crosses the mean of both levels, if it
 * does so in the gap. False: no gap, or no crossing. */
static bool settle_in_gap(struct partition *partition, const struct grid *grid, unsigned i) {
  struct cut *cut = &partition->cut[i];
  double middle = 0.5 * (partition->level[i] + partition->level[i + 1]), x;
  double least = i ? partition->cut[i - 1].x : -INFINITY;
  double most = i + 1 < partition->cuts ? partition->cut[i + 1].x : INFINITY;
  size_t begin = cut->cell, end = cut->cell;
  while (end < grid->cells && !(grid->cell[end].mass > 0)) {
    end++;
  }
  while (begin > 0 && !(grid->cell[begin - 1].mass > 0) && (end > cut->cell || cut->x <= grid->x[cut->cell])) {
    begin--;
  }
  if (begin == end || begin == 0 || end == grid->cells ||
      (grid->right[begin - 1] - middle) * (grid->left[end] - middle) > 0) {
    return false;
  }
  while (begin < end && (grid->right[begin - 1] - middle) * (grid->right[begin] - middle) > 0) {
    begin++;
  }
  x = begin < end && (grid->left[begin] - middle) * (grid->right[begin] - middle) <= 0 ? grid_solve(grid, begin, middle)
                                                                                       : grid->x[begin];
  if (x <= least || x >= most) {
    return false;
  }
  cut->cell = begin;
  cut->x = x;
  return true;
}

static void rate(struct partition *partition, const struct grid *grid) {
  partition_sum(partition, grid);
  partition_centre(partition);
  for (unsigned i = 0; i < partition->cuts; i++) {
    struct cut *cut = &partition->cut[i];
    cut->jump = settle_in_gap(partition, grid, i);
    if (!cut->jump && at_jump(grid, cut)) {
      struct sides sides = sides_of(partition, grid, i);
      cut->jump = sides.left * sides.right <= 0;
    }
  }
  partition_rate(partition, grid);
}

/* Moves a cut to x but not over a jump; false if it would leave the support. */
static bool move_cut(struct cut *cut, const struct grid *grid, double x) {
  while (x < grid->x[cut->cell]) {
    if (grid->mark[cut->cell] & (GRID_JUMP | GRID_END)) {
      x = grid->x[cut->cell];
      break;
    }
    cut->cell--;
  }
  while (x >= grid->x[cut->cell + 1]) {
    if (grid->mark[cut->cell + 1] & GRID_END) {
      return false;
    }
    cut->cell++;
    if (grid->mark[cut->cell] & GRID_JUMP) {
      x = grid->x[cut->cell];
    }
  }
  cut->x = x;
  return x > grid->x[0];
}

/* d level / d cut, for the cut at its upper end: w (f' - level) / mass; at its lower end the same with a minus. */
static double level_slope(const struct partition *partition, const struct grid *grid, unsigned level, unsigned cut) {
  double x = partition->cut[cut].x, mass = (double)partition->sums[level].mass;
  double slope = weight_density(grid->weight, x) * (function_derivative(grid->function, x) - partition->level[level]);
  return mass > 0 ? slope / mass : 0;
}

static bool newton(const struct partition *now, const struct grid *grid, double *step) {
  double lower[QUANTIZER_LEVELS_MAX], diagonal[QUANTIZER_LEVELS_MAX], upper[QUANTIZER_LEVELS_MAX];
  for (unsigned i = 0; i < now->cuts; i++) {
    const struct cut *cut = &now->cut[i];
    struct sides sides = sides_of(now, grid, i);
    lower[i] = upper[i] = step[i] = 0;
    diagonal[i] = 1;
    if (cut->jump) {
      continue;
    }
    if (at_jump(grid, cut)) { /* leave it on the side where f' comes nearer to the mean */
      step[i] = fabs(sides.left) < fabs(sides.right) ? -1e-9 : 1e-9;
      continue;
    }
    diagonal[i] =
        grid_slope(grid, cut->cell, cut->x) - 0.5 * (level_slope(now, grid, i, i) - level_slope(now, grid, i + 1, i));
    lower[i] = i ? 0.5 * level_slope(now, grid, i, i - 1) : 0;
    upper[i] = i + 1 < now->cuts ? -0.5 * level_slope(now, grid, i + 1, i + 1) : 0;
    step[i] = -(function_derivative(grid->function, cut->x) - 0.5 * (now->level[i] + now->level[i + 1]));
  }
  return tridiagonal_solve(lower, diagonal, upper, step, now->cuts);
}

static bool take_step(struct partition *next, const struct partition *now, const struct grid *grid, const double *step,
                      double scale) {
  *next = *now;
  for (unsigned i = 0; i < next->cuts; i++) {
    if (!isfinite(step[i]) || !move_cut(&next->cut[i], grid, now->cut[i].x + scale * step[i]) ||
        (i && next->cut[i].x <= next->cut[i - 1].x)) {
      return false;
    }
  }
  rate(next, grid);
  return true;
}

void polish_interval(struct partition *partition, const struct grid *grid) {
  struct partition *next = malloc(sizeof *next);
  double step[QUANTIZER_LEVELS_MAX];
  rate(partition, grid);
  for (int i = 0; next && i < STEPS_MAX && partition->residual > 1e-15; i++) {
    double scale = 2;
    bool better = false;
    if (!newton(partition, grid, step)) {
      break;
    }
    for (int half = 0; !better && half < 12; half++) {
      scale /= 2;
      better = take_step(next, partition, grid, step, scale) && next->error <= partition->error * (1 + 1e-9) + 1e-18 &&
               (next->residual < partition->residual || next->error < partition->error * (1 - 1e-9));
    }
    if (!better) {
      break;
    }
    *partition = *next;
  }
  free(next); /* without memory the grid's solution stands, and its residual says so */
}
