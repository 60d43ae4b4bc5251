/* Method `interval`: 2^b stretches of x. No Monge property helps here, so the grid is solved in two stages. On a few
 * hundred nodes the dynamic program runs forward and backward; a cut of the best quantizer can only lie beside nodes
 * through which a path passes that costs no more than the best one known plus what moving cuts to nodes can cost
 * (see docs/quantizers.md). The fine grid is then solved among those nodes alone. */
#include "kernels/fit.h"
#include "kernels/out_of_memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NODES_MAX = 6144 }; /* of the first stage, which takes 4 bytes times their square */

struct sums {
  double mass, first, second;
};

/* A subset of the grid's nodes, and the sums before each. */
struct nodes {
  size_t count;
  uint32_t *at; /* index in the grid */
  struct sums *sums;
  double doubt;    /* the largest mass times rise between two neighbours */
  double max_rise; /* the largest rise */
};

static inline double cost_between(const struct sums *from, const struct sums *to) {
  double mass = to->mass - from->mass, first = to->first - from->first;
  double cost = mass > 0 ? to->second - from->second - first * first / mass : 0;
  return cost > 0 ? cost : 0;
}

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

static int nodes_init(struct nodes *nodes, size_t capacity, struct error *err) {
  *nodes = (struct nodes){.at = calloc(capacity, sizeof *nodes->at), .sums = calloc(capacity, sizeof *nodes->sums)};
  return nodes->at && nodes->sums ? 0 : out_of_memory(err, "fit");
}

static void nodes_fini(struct nodes *nodes) {
  free(nodes->at);
  free(nodes->sums);
}

static void nodes_add(struct nodes *nodes, const struct grid *grid, size_t node, long double centre) {
  long double mass = grid->mass[node], first = grid->first[node], second = grid->second[node];
  nodes->at[nodes->count] = (uint32_t)node;
  nodes->sums[nodes->count++] = (struct sums){(double)mass, (double)(first - centre * mass),
                                              (double)(second - 2 * centre * first + centre * centre * mass)};
}

/* About `wanted` nodes of the grid, with its jumps and turns, so that mass times rise between them is even. */
static void choose_nodes(struct nodes *nodes, const struct grid *grid, size_t wanted, long double centre) {
  double total = 0, target, mass = 0, rise = 0;
  for (size_t i = 0; i < grid->cells; i++) {
    total += sqrt(grid_cell_doubt(grid, i));
  }
  target = total / (double)wanted;
  for (size_t i = 0; i <= grid->cells; i++) {
    bool must = i == 0 || i == grid->cells || grid->mark[i] & (GRID_JUMP | GRID_TURN);
    double next_mass = i < grid->cells ? grid->cell[i].mass : 0;
    double next_rise = i < grid->cells ? fabs(grid->right[i] - grid->left[i]) : 0;
    if (must || sqrt((mass + next_mass) * (rise + next_rise)) > target) {
      nodes_add(nodes, grid, i, centre);
      nodes->doubt = fmax(nodes->doubt, mass * rise);
      nodes->max_rise = fmax(nodes->max_rise, rise);
      mass = rise = 0;
    }
    mass += next_mass;
    rise += next_rise;
  }
}

/* What moving the best quantizer's cuts to nodes can cost: docs/quantizers.md. */
static double moving_cost(const struct grid *grid, const struct nodes *nodes, unsigned levels) {
  double factor = fmin(2 * grid->variation, grid->variation / 2 + 5 * levels * nodes->max_rise);
  return factor * nodes->doubt;
}

/* ---- first stage: all nodes, forward and backward ---------------------------------------------------------------- */

struct table {
  size_t nodes;
  unsigned levels;
  double *cost; /* triangle: cost[i (i - 1) / 2 + j] of a stretch from node j to node i > j */
  double *forward,
      *backward; /* [k nodes + i]: least cost of at most k stretches from the start to i, from i to the end */
};

static const double *cost_row(const struct table *table, size_t i) {
  return table->cost + i * (i - 1) / 2;
}

static int table_init(struct table *table, const struct nodes *nodes, unsigned levels, struct error *err) {
  size_t n = nodes->count;
  *table = (struct table){.nodes = n,
                          .levels = levels,
                          .cost = malloc((n * (n - 1) / 2 + 1) * sizeof *table->cost),
                          .forward = malloc((levels + 1) * n * sizeof *table->forward),
                          .backward = malloc((levels + 1) * n * sizeof *table->backward)};
  if (!table->cost || !table->forward || !table->backward) {
    return out_of_memory(err, "fit");
  }
  for (size_t i = 1, at = 0; i < n; i++) {
    for (size_t j = 0; j < i; j++, at++) {
      table->cost[at] = cost_between(&nodes->sums[j], &nodes->sums[i]);
    }
  }
  return 0;
}

static void table_fini(struct table *table) {
  free(table->cost);
  free(table->forward);
  free(table->backward);
}

/* The least of before[j] + row[j] over j < i. A stretch only gets dearer as it begins earlier: blocks from the right,
 * until the stretch alone costs more. */
static double least_sum(const double *before, const double *row, size_t i, double best) {
  while (i > 0) {
    size_t from = i > 16 ? i - 16 : 0;
    double a = best, b = best;
    size_t j = from;
    if (row[i - 1] >= best) {
      break;
    }
    for (; j + 1 < i; j += 2) {
      double p = before[j] + row[j], q = before[j + 1] + row[j + 1];
      a = p < a ? p : a;
      b = q < b ? q : b;
    }
    if (j < i) {
      double p = before[j] + row[j];
      a = p < a ? p : a;
    }
    best = a < b ? a : b;
    i = from;
  }
  return best;
}

static void run_forward(struct table *table) {
  size_t n = table->nodes;
  table->forward[0] = 0;
  for (size_t i = 1; i < n; i++) {
    table->forward[i] = INFINITY;
  }
  for (unsigned k = 1; k <= table->levels; k++) {
    const double *before = table->forward + (k - 1) * n;
    double *now = table->forward + k * n;
    now[0] = 0;
    for (size_t i = 1; i < n; i++) {
      now[i] = least_sum(before, cost_row(table, i), i, before[i]);
    }
  }
}

/* now[j] = the least of cost(j, i) + before[i] over i > j, row by row of the triangle. */
static void run_backward(struct table *table) {
  size_t n = table->nodes;
  double *now = table->backward;
  for (size_t j = 0; j < n; j++) {
    now[j] = j + 1 < n ? INFINITY : 0;
  }
  for (unsigned k = 1; k <= table->levels; k++) {
    const double *before = table->backward + (k - 1) * n;
    now = table->backward + k * n;
    memcpy(now, before, n * sizeof *now);
    for (size_t i = n - 1; i > 0; i--) {
      const double *row = cost_row(table, i);
      double rest = before[i];
      if (rest == INFINITY) {
        continue;
      }
      for (size_t j = 0; j < i; j++) {
        double sum = rest + row[j];
        now[j] = sum < now[j] ? sum : now[j];
      }
    }
  }
}

static void set_cuts(struct partition *partition, const struct grid *grid, const uint32_t *ends, unsigned count) {
  partition->cuts = 0;
  partition->code[0] = 0;
  for (unsigned i = 0; i < count; i++) { /* ascending; empty stretches are dropped */
    double last = partition->cuts ? partition->cut[partition->cuts - 1].x : grid->x[0];
    if (grid->x[ends[i]] > last && ends[i] < grid->cells) {
      partition->cut[partition->cuts++] = (struct cut){grid->x[ends[i]], ends[i], false};
      partition->code[partition->cuts] = (uint8_t)partition->cuts;
    }
  }
  partition->levels = partition->cuts + 1;
}

static void trace_table(const struct table *table, const struct nodes *nodes, const struct grid *grid,
                        struct partition *partition) {
  uint32_t ends[QUANTIZER_LEVELS_MAX] = {0};
  size_t n = table->nodes, i = n - 1;
  for (unsigned k = table->levels; k > 1; k--) {
    const double *before = table->forward + (k - 1) * n, *row = i ? cost_row(table, i) : NULL;
    size_t best = i;
    double least = before[i];
    for (size_t j = 0; j < i; j++) {
      if (before[j] + row[j] < least) {
        least = before[j] + row[j];
        best = j;
      }
    }
    i = best;
    ends[k - 2] = nodes->at[i];
  }
  set_cuts(partition, grid, ends, table->levels - 1);
}

/* ---- second stage: the fine grid near to the paths that are left --------------------------------------------------- */

struct layer {
  struct nodes nodes;
  double *least;    /* of stretches up to this node */
  uint32_t *parent; /* in the layer before */
};

/* The fine nodes beside the coarse ones through which cut k of a path within `limit` may pass. */
static int open_layer(struct layer *layer, const struct table *table, const struct nodes *coarse,
                      const struct grid *grid, unsigned k, double limit, long double centre, struct error *err) {
  size_t n = table->nodes, next = 0, capacity = 0;
  const double *forward = table->forward + k * n, *backward = table->backward + (table->levels - k) * n;
  for (size_t i = 0; i < n; i++) {
    if (forward[i] + backward[i] <= limit) {
      capacity += coarse->at[i + 1 < n ? i + 1 : i] - coarse->at[i ? i - 1 : i] + 1;
    }
  }
  layer->least = malloc((capacity + 1) * sizeof *layer->least);
  layer->parent = malloc((capacity + 1) * sizeof *layer->parent);
  if (nodes_init(&layer->nodes, capacity + 1, err) < 0 || !layer->least || !layer->parent) {
    return out_of_memory(err, "fit");
  }
  for (size_t i = 0; i < n; i++) {
    size_t from = coarse->at[i ? i - 1 : i], to = coarse->at[i + 1 < n ? i + 1 : i];
    if (forward[i] + backward[i] > limit) {
      continue;
    }
    for (size_t node = from > next ? from : next; node <= to; node++) {
      double doubt = node < to ? grid_cell_doubt(grid, node) : 0;
      nodes_add(&layer->nodes, grid, node, centre);
      layer->nodes.doubt = fmax(layer->nodes.doubt, doubt);
      layer->nodes.max_rise = fmax(layer->nodes.max_rise, node < to ? fabs(grid->right[node] - grid->left[node]) : 0);
    }
    next = to + 1 > next ? to + 1 : next;
  }
  return 0;
}

/* layer->least of every node, from the layer before it. */
static void run_layer(struct layer *layer, const struct layer *before) {
  size_t below = 0;
  for (size_t i = 0; i < layer->nodes.count; i++) {
    double best = INFINITY;
    uint32_t parent = 0;
    while (below < before->nodes.count && before->nodes.at[below] <= layer->nodes.at[i]) {
      below++;
    }
    for (size_t j = below; j-- > 0;) {
      double cost = cost_between(&before->nodes.sums[j], &layer->nodes.sums[i]);
      if (cost >= best) {
        break; /* it only gets dearer */
      }
      if (before->least[j] + cost < best) {
        best = before->least[j] + cost;
        parent = (uint32_t)j;
      }
    }
    layer->least[i] = best;
    layer->parent[i] = parent;
  }
}

static void trace_layers(const struct layer *layers, unsigned levels, const struct grid *grid,
                         struct partition *partition) {
  uint32_t ends[QUANTIZER_LEVELS_MAX] = {0};
  size_t i = layers[levels].nodes.count - 1;
  for (unsigned k = levels; k > 1; k--) {
    i = layers[k].parent[i];
    ends[k - 2] = layers[k - 1].nodes.at[i];
  }
  set_cuts(partition, grid, ends, levels - 1);
}

static int open_end(struct layer *layer, const struct grid *grid, size_t node, long double centre, struct error *err) {
  layer->least = calloc(1, sizeof *layer->least);
  layer->parent = calloc(1, sizeof *layer->parent);
  if (nodes_init(&layer->nodes, 1, err) < 0 || !layer->least || !layer->parent) {
    return out_of_memory(err, "fit");
  }
  nodes_add(&layer->nodes, grid, node, centre);
  return 0;
}

static int refine(struct partition *partition, const struct grid *grid, const struct table *table,
                  const struct nodes *coarse, double limit, long double centre, double *lower, struct error *err) {
  unsigned levels = table->levels;
  struct layer *layers = calloc(levels + 1, sizeof *layers);
  struct nodes worst = {0};
  int code = layers ? 0 : out_of_memory(err, "fit");
  for (unsigned k = 0; code == 0 && k <= levels; k++) {
    code = k == 0        ? open_end(&layers[k], grid, 0, centre, err)
           : k == levels ? open_end(&layers[k], grid, grid->cells, centre, err)
                         : open_layer(&layers[k], table, coarse, grid, k, limit, centre, err);
    if (code == 0 && k) {
      run_layer(&layers[k], &layers[k - 1]);
      worst.doubt = fmax(worst.doubt, layers[k].nodes.doubt);
      worst.max_rise = fmax(worst.max_rise, layers[k].nodes.max_rise);
    }
  }
  if (code == 0 && isfinite(layers[levels].least[0])) {
    *lower = fmax(*lower, layers[levels].least[0] - moving_cost(grid, &worst, levels));
    trace_layers(layers, levels, grid, partition);
  }
  for (unsigned k = 0; layers && k <= levels; k++) {
    nodes_fini(&layers[k].nodes);
    free(layers[k].least);
    free(layers[k].parent);
  }
  free(layers);
  return code;
}

/* ---- the fit --------------------------------------------------------------------------------------------------- */

static int solve(struct partition *partition, const struct grid *grid, unsigned levels, struct nodes *coarse,
                 struct table *table, long double centre, double *lower, struct error *err) {
  struct partition *second = NULL;
  double moving, best;
  int code = table_init(table, coarse, levels, err);
  if (code < 0) {
    return code;
  }
  run_forward(table);
  run_backward(table);
  trace_table(table, coarse, grid, partition);
  polish_interval(partition, grid);
  moving = moving_cost(grid, coarse, levels);
  best = table->forward[levels * table->nodes + table->nodes - 1];
  *lower = fmax(0, best - moving);
  if (coarse->count == grid->cells + 1) {
    return 0;
  }
  second = malloc(sizeof *second);
  if (!second) {
    return out_of_memory(err, "fit");
  }
  *second = *partition;
  best = fmin(best, partition->error) + moving;
  code = refine(second, grid, table, coarse, best * (1 + 1e-9) + 1e-15, centre, lower, err);
  if (code == 0) {
    polish_interval(second, grid);
    if (second->error < partition->error ||
        (second->error == partition->error && second->residual < partition->residual)) {
      *partition = *second;
    }
  }
  free(second);
  return code;
}

int fit_interval(struct partition *partition, const struct grid *grid, unsigned levels, double *lower,
                 struct error *err) {
  size_t wanted = levels <= 16 ? 512 : levels <= 64 ? 1024 : 2048;
  long double centre = grid->first[grid->cells] / grid->mass[grid->cells];
  struct nodes coarse;
  struct table table = {0};
  int code = nodes_init(&coarse, grid->cells + 1, err);
  if (code == 0) {
    choose_nodes(&coarse, grid, wanted, centre);
    if (coarse.count > NODES_MAX) {
      code =
          error_set(err, ERROR_INPUT,
                    "%s: the derivative jumps at too many places for method interval; use method value or fewer steps",
                    function_name(grid->function));
    }
  }
  if (code == 0) {
    code = solve(partition, grid, levels, &coarse, &table, centre, lower, err);
  }
  table_fini(&table);
  nodes_fini(&coarse);
  return code;
}
