/* Builds the grid: samples, turning points, refinement, integrals. And looks things up in its cells. */
#include "kernels/grid.h"

#include "kernels/grid_nodes.h"
#include "kernels/out_of_memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- cells ----------------------------------------------------------------------------------------------------- */

static int allocate(struct grid *grid, size_t nodes, struct error *err) {
  grid->x = malloc(nodes * sizeof *grid->x);
  grid->mark = malloc(nodes);
  grid->left = malloc(nodes * sizeof *grid->left);
  grid->right = malloc(nodes * sizeof *grid->right);
  grid->cell = malloc(nodes * sizeof *grid->cell);
  grid->mass = malloc(nodes * sizeof *grid->mass);
  grid->first = malloc(nodes * sizeof *grid->first);
  grid->second = malloc(nodes * sizeof *grid->second);
  grid->branch = malloc((nodes + 1) * sizeof *grid->branch);
  return grid->x && grid->mark && grid->left && grid->right && grid->cell && grid->mass && grid->first &&
                 grid->second && grid->branch
             ? 0
             : out_of_memory(err, "grid");
}

static void take_nodes(struct grid *grid, const struct grid_nodes *nodes) {
  grid->cells = nodes->count - 1;
  for (size_t i = 0; i < nodes->count; i++) {
    grid->x[i] = nodes->at[i].x;
    grid->mark[i] = nodes->at[i].mark;
  }
}

static void fill_ends(struct grid *grid) {
  grid->low = INFINITY;
  grid->high = -INFINITY;
  for (size_t i = 0; i < grid->cells; i++) {
    bool shared = i && !(grid->mark[i] & (GRID_KNOT | GRID_JUMP));
    grid->left[i] = shared ? grid->right[i - 1] : function_derivative_side(grid->function, grid->x[i], 1);
    grid->right[i] = function_derivative_side(grid->function, grid->x[i + 1], -1);
    grid->low = fmin(grid->low, fmin(grid->left[i], grid->right[i]));
    grid->high = fmax(grid->high, fmax(grid->left[i], grid->right[i]));
    grid->variation += fabs(grid->right[i] - grid->left[i]) + (i ? fabs(grid->left[i] - grid->right[i - 1]) : 0);
  }
}

static int fill_integrals(struct grid *grid, struct error *err) {
  grid->mass[0] = grid->first[0] = grid->second[0] = 0;
  for (size_t i = 0; i < grid->cells; i++) {
    struct integrals *cell = &grid->cell[i];
    *cell = quadrature_integrals(grid->function, grid->weight, grid->x[i], grid->x[i + 1]);
    if (!isfinite(cell->first) || !isfinite(cell->second)) {
      return error_set(err, ERROR_INPUT, "%s: the derivative is not finite between %g and %g",
                       function_name(grid->function), grid->x[i], grid->x[i + 1]);
    }
    if (cell->mass > 0) {
      grid->spread += fmax(0, cell->second - cell->first * (cell->first / cell->mass));
    }
    grid->mass[i + 1] = grid->mass[i] + cell->mass;
    grid->first[i + 1] = grid->first[i] + cell->first;
    grid->second[i + 1] = grid->second[i] + cell->second;
  }
  return 0;
}

static void fill_branches(struct grid *grid) {
  for (size_t i = 0; i < grid->cells; i++) {
    if (i == 0 || grid->mark[i] & (GRID_JUMP | GRID_TURN)) {
      grid->branch[grid->branches++] = i;
    }
  }
  grid->branch[grid->branches] = grid->cells;
}

int grid_build(struct grid *grid, const struct function *function, const struct weight *weight, size_t cells,
               struct error *err) {
  struct grid_nodes nodes;
  int code;
  *grid = (struct grid){.function = function, .weight = weight};
  code = grid_nodes_place(&nodes, function, weight, cells, err);
  if (code == 0) {
    code = allocate(grid, nodes.count, err);
  }
  if (code == 0) {
    take_nodes(grid, &nodes);
    fill_ends(grid);
    fill_branches(grid);
    code = fill_integrals(grid, err);
  }
  grid_nodes_fini(&nodes);
  return code;
}

void grid_fini(struct grid *grid) {
  free(grid->x);
  free(grid->mark);
  free(grid->left);
  free(grid->right);
  free(grid->cell);
  free(grid->mass);
  free(grid->first);
  free(grid->second);
  free(grid->branch);
  *grid = (struct grid){0};
}

/* ---- in a cell ------------------------------------------------------------------------------------------------- */

double grid_cell_doubt(const struct grid *grid, size_t cell) {
  return grid->cell[cell].mass * fabs(grid->right[cell] - grid->left[cell]);
}

struct grid_sums grid_sums_at(const struct grid *grid, size_t cell, double x) {
  struct grid_sums sums = {grid->mass[cell], grid->first[cell], grid->second[cell]};
  if (x >= grid->x[cell + 1]) {
    return (struct grid_sums){grid->mass[cell + 1], grid->first[cell + 1], grid->second[cell + 1]};
  }
  if (x > grid->x[cell]) {
    struct integrals part = quadrature_integrals(grid->function, grid->weight, grid->x[cell], x);
    sums.mass += part.mass;
    sums.first += part.first;
    sums.second += part.second;
  }
  return sums;
}

/* Regula falsi with Illinois's halving, which converges fast for what is nearly a straight line, and bisection when it
 * does not. */
double grid_solve(const struct grid *grid, size_t cell, double t) {
  double a = grid->x[cell], b = grid->x[cell + 1], fa = grid->left[cell] - t, fb = grid->right[cell] - t, x = a;
  int side = 0;
  if (fa == 0 || fa * fb > 0) {
    return fabs(fa) <= fabs(fb) ? a : b;
  }
  for (int i = 0; i < 200 && fb != 0; i++) {
    double fx, margin = 4e-16 * fmax(fabs(a), fabs(b));
    x = i % 8 == 7 ? 0.5 * (a + b) : (a * fb - b * fa) / (fb - fa);
    if (!(x > a && x < b)) {
      x = 0.5 * (a + b);
    }
    if (b - a <= margin || x <= a || x >= b) {
      break;
    }
    fx = function_derivative(grid->function, x) - t;
    if (fx == 0) {
      return x;
    }
    if (fx * fb > 0) {
      b = x;
      fb = fx;
      fa *= side == -1 ? 0.5 : 1;
      side = -1;
    } else {
      a = x;
      fa = fx;
      fb *= side == 1 ? 0.5 : 1;
      side = 1;
    }
  }
  return fb == 0 ? b : x;
}

double grid_slope(const struct grid *grid, size_t cell, double x) {
  double width = grid->x[cell + 1] - grid->x[cell];
  double step = fmin(0.25 * width, 1e-5 * fmax(1, fabs(x)));
  double a = fmax(x - step, grid->x[cell]), b = fmin(x + step, grid->x[cell + 1]);
  if (!(b > a)) {
    return 0;
  }
  return (function_derivative_side(grid->function, b, -1) - function_derivative_side(grid->function, a, 1)) / (b - a);
}
