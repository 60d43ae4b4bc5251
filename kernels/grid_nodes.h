/* Where the nodes of a grid lie. Private to grid.c. */
#ifndef ACTSCOPE_KERNELS_GRID_NODES_H
#define ACTSCOPE_KERNELS_GRID_NODES_H

#include "kernels/function.h"
#include "kernels/weight.h"

struct grid_node {
  double x;
  unsigned char mark; /* enum grid_mark */
};

struct grid_nodes {
  size_t count, capacity;
  struct grid_node *at; /* ascending */
};

/* At knots, edges and turns, and between them so that mass times rise is about the same in all cells. grid_nodes_fini
 * is due even after an error. */
int grid_nodes_place(struct grid_nodes *nodes, const struct function *function, const struct weight *weight,
                     size_t cells, struct error *err);
void grid_nodes_fini(struct grid_nodes *nodes);

#endif
