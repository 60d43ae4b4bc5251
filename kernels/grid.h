/* The grid that fits work on: the support of the weight cut into cells in which f' is smooth and monotone, with the
 * integrals over each. Cells are narrow where w and f' vary much: mass times rise is about the same in all. */
#ifndef ACTSCOPE_KERNELS_GRID_H
#define ACTSCOPE_KERNELS_GRID_H

#include "kernels/function.h"
#include "kernels/quadrature.h"
#include "kernels/weight.h"

#include <stdbool.h>
#include <stddef.h>

enum grid_mark {
  GRID_KNOT = 1, /* f' or w is not smooth here */
  GRID_JUMP = 2, /* f' jumps here */
  GRID_TURN = 4, /* f' goes from rising to falling, or back */
  GRID_END = 8
};

struct grid {
  const struct function *function; /* both borrowed */
  const struct weight *weight;
  size_t cells;
  double *x;              /* cells + 1 nodes, ascending */
  unsigned char *mark;    /* cells + 1, enum grid_mark or-ed */
  double *left, *right;   /* f' just inside cell i, at its left and its right end */
  struct integrals *cell; /* over cell i */
  /* Over all cells before node i, cells + 1 of each; extended, as small differences of them count. */
  long double *mass, *first, *second;
  size_t *branch; /* the nodes at which monotone branches begin, and `cells` after the last */
  size_t branches;
  double low, high; /* the range of f' */
  double variation; /* its total variation */
  double spread;    /* what remains if every cell had a level of its own */
};

/* About `cells` cells. ERROR_INPUT if f' is not finite or turns too often. grid_fini is due even after an error. */
int grid_build(struct grid *grid, const struct function *function, const struct weight *weight, size_t cells,
               struct error *err);
void grid_fini(struct grid *grid);

/* Mass times rise of cell i, the measure that the bounds rest on. */
double grid_cell_doubt(const struct grid *grid, size_t cell);

/* The integrals from the left end of the support up to x, which lies in the cell. */
struct grid_sums {
  long double mass, first, second;
};
struct grid_sums grid_sums_at(const struct grid *grid, size_t cell, double x);

/* The x in the cell where f' is t; t lies between left and right of it. */
double grid_solve(const struct grid *grid, size_t cell, double t);
/* f'' at x, which lies in the cell, by differences inside of the cell. */
double grid_slope(const struct grid *grid, size_t cell, double x);

#endif
