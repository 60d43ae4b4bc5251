/* Method `value`: cells sorted by their mean of f' and clustered into levels. The cost of a cluster is Monge, so that
 * each layer of the dynamic program falls to divide and conquer: O(levels cells log cells). */
#include "kernels/fit.h"
#include "kernels/out_of_memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct item {
  double mean, mass, first;
};

struct layers {
  size_t items;
  double centre;        /* subtracted from f', so that squares do not cancel */
  double *mass, *first; /* before item i, items + 1 */
  double *now, *before; /* least cost of the first i items, with the minus sum of squares alone */
  uint32_t *start;      /* [level][i]: where the last cluster of the first i items begins */
};

static int compare_items(const void *a, const void *b) {
  const struct item *p = a, *q = b;
  return (p->mean > q->mean) - (p->mean < q->mean);
}

/* ---- dynamic program ------------------------------------------------------------------------------------------- */

/* The sum of squares that items j .. i - 1 have in common with a single level is first^2 / mass: the more the better. */
static inline double gain(const struct layers *layers, size_t j, size_t i) {
  double mass = layers->mass[i] - layers->mass[j], first = layers->first[i] - layers->first[j];
  return mass > 0 ? first * first / mass : 0;
}

/* Fills now[low .. high], whose clusters begin within [from, to]. */
static void conquer(struct layers *layers, uint32_t *start, size_t low, size_t high, size_t from, size_t to) {
  size_t middle = low + (high - low) / 2, best = from, last = to < middle ? to : middle;
  double most = -INFINITY;
  for (size_t j = from; j <= last; j++) {
    double value = layers->before[j] + gain(layers, j, middle);
    if (value > most) {
      most = value;
      best = j;
    }
  }
  layers->now[middle] = most;
  start[middle] = (uint32_t)best;
  if (middle > low) {
    conquer(layers, start, low, middle - 1, from, best);
  }
  if (middle < high) {
    conquer(layers, start, middle + 1, high, best, to);
  }
}

static void run_layers(struct layers *layers, unsigned levels) {
  size_t nodes = layers->items + 1;
  for (size_t i = 0; i < nodes; i++) {
    layers->now[i] = gain(layers, 0, i);
    layers->start[i] = 0;
  }
  for (unsigned level = 1; level < levels; level++) {
    double *swap = layers->before;
    layers->before = layers->now;
    layers->now = swap;
    conquer(layers, layers->start + level * nodes, 0, layers->items, 0, layers->items);
  }
}

static void trace_back(const struct layers *layers, unsigned levels, struct partition *partition) {
  size_t end = layers->items, nodes = layers->items + 1;
  unsigned count = 0;
  for (unsigned level = levels; level-- > 0;) {
    size_t start = layers->start[level * nodes + end];
    double mass = layers->mass[end] - layers->mass[start];
    if (mass > 0) { /* empty clusters are dropped */
      partition->level[count++] = layers->centre + (layers->first[end] - layers->first[start]) / mass;
    }
    end = start;
  }
  partition->levels = count;
  for (unsigned i = 0; i < count / 2; i++) {
    double swap = partition->level[i];
    partition->level[i] = partition->level[count - 1 - i];
    partition->level[count - 1 - i] = swap;
  }
}

/* ---- the bound ------------------------------------------------------------------------------------------------- */

struct event {
  double t, doubt;
};

static int compare_events(const void *a, const void *b) {
  const struct event *p = a, *q = b;
  if (p->t != q->t) {
    return p->t < q->t ? -1 : 1;
  }
  return (p->doubt > q->doubt) - (p->doubt < q->doubt); /* ends of cells before beginnings */
}

/* The largest sum, over t, of the mass times rise of the cells whose values t divides. */
static double crossing_doubt(const struct grid *grid, struct event *events) {
  double sum = 0, most = 0;
  size_t count = 0;
  for (size_t i = 0; i < grid->cells; i++) {
    double doubt = grid_cell_doubt(grid, i);
    if (doubt > 0) {
      events[count++] = (struct event){fmin(grid->left[i], grid->right[i]), doubt};
      events[count++] = (struct event){fmax(grid->left[i], grid->right[i]), -doubt};
    }
  }
  qsort(events, count, sizeof *events, compare_events);
  for (size_t i = 0; i < count; i++) {
    sum += events[i].doubt;
    most = fmax(most, sum);
  }
  return most;
}

/* ---- cuts ------------------------------------------------------------------------------------------------------ */

static unsigned nearest(const struct partition *partition, double value) {
  unsigned low = 0, high = partition->levels - 1;
  while (low < high) {
    unsigned middle = (low + high) / 2;
    if (value >= 0.5 * (partition->level[middle] + partition->level[middle + 1])) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static int add_cut(struct partition *partition, struct cut cut, unsigned code, const struct grid *grid,
                   struct error *err) {
  if (partition->cuts == QUANTIZER_INTERVALS_MAX - 1) {
    return error_set(err, ERROR_INPUT, "%s: more than %d intervals are needed; use fewer bits",
                     function_name(grid->function), QUANTIZER_INTERVALS_MAX);
  }
  partition->cut[partition->cuts++] = cut;
  partition->code[partition->cuts] = (uint8_t)code;
  return 0;
}

/* The first cell of [from, end) at whose right end f' has reached t. */
static size_t find_cell(const struct grid *grid, size_t from, size_t end, double t, bool rising) {
  while (end - from > 1) {
    size_t middle = from + (end - from) / 2;
    if (rising ? grid->left[middle] < t : grid->left[middle] > t) {
      from = middle;
    } else {
      end = middle;
    }
  }
  return from;
}

/* The cuts within one monotone branch, after one at its beginning if f' jumps there. */
static int cut_branch(struct partition *partition, const struct grid *grid, size_t begin, size_t end,
                      struct error *err) {
  unsigned code = nearest(partition, grid->left[begin]), last = nearest(partition, grid->right[end - 1]);
  int result = 0;
  if (begin == 0) {
    partition->code[0] = (uint8_t)code;
  } else if (code != partition->code[partition->cuts]) {
    result = add_cut(partition, (struct cut){grid->x[begin], begin, true}, code, grid, err);
  }
  for (size_t cell = begin; result == 0 && code != last;) {
    bool rising = last > code;
    unsigned next = rising ? code + 1 : code - 1;
    double t = 0.5 * (partition->level[code] + partition->level[next]);
    cell = find_cell(grid, cell, end, t, rising);
    result = add_cut(partition, (struct cut){grid_solve(grid, cell, t), cell, false}, next, grid, err);
    code = next;
  }
  return result;
}

int fit_value_cut(struct partition *partition, const struct grid *grid, struct error *err) {
  int code = 0;
  partition->cuts = 0;
  for (size_t i = 0; code == 0 && i < grid->branches; i++) {
    code = cut_branch(partition, grid, grid->branch[i], grid->branch[i + 1], err);
  }
  if (code == 0) {
    partition_sum(partition, grid);
  }
  return code;
}

/* ---- the fit --------------------------------------------------------------------------------------------------- */

static int allocate(struct layers *layers, size_t items, unsigned levels, struct error *err) {
  size_t nodes = items + 1;
  layers->items = items;
  layers->mass = malloc(4 * nodes * sizeof *layers->mass);
  layers->start = malloc((levels * nodes + 1) * sizeof *layers->start);
  if (!layers->mass || !layers->start) {
    return out_of_memory(err, "fit");
  }
  layers->first = layers->mass + nodes;
  layers->now = layers->first + nodes;
  layers->before = layers->now + nodes;
  return 0;
}

static size_t sort_cells(const struct grid *grid, struct item *items) {
  size_t count = 0;
  for (size_t i = 0; i < grid->cells; i++) {
    const struct integrals *cell = &grid->cell[i];
    if (cell->mass > 0) {
      items[count++] = (struct item){cell->first / cell->mass, cell->mass, cell->first};
    }
  }
  qsort(items, count, sizeof *items, compare_items);
  return count;
}

/* Least error of cells put whole into levels, without their spread. */
static double cluster(struct layers *layers, const struct item *items, unsigned levels, const struct grid *grid,
                      struct partition *partition) {
  double squares = 0;
  layers->centre = (double)(grid->first[grid->cells] / grid->mass[grid->cells]);
  layers->mass[0] = layers->first[0] = 0;
  for (size_t i = 0; i < layers->items; i++) {
    double first = (items[i].mean - layers->centre) * items[i].mass;
    layers->mass[i + 1] = layers->mass[i] + items[i].mass;
    layers->first[i + 1] = layers->first[i] + first;
    squares += first * (items[i].mean - layers->centre);
  }
  run_layers(layers, levels);
  trace_back(layers, levels, partition);
  return fmax(0, squares - layers->now[layers->items]);
}

int fit_value(struct partition *partition, const struct grid *grid, unsigned levels, double *lower, struct error *err) {
  struct layers layers = {0};
  struct item *items = malloc((grid->cells + 1) * sizeof *items);
  struct event *events = malloc((2 * grid->cells + 1) * sizeof *events);
  size_t count = items ? sort_cells(grid, items) : 0;
  double on_grid;
  int code = items && events ? 0 : out_of_memory(err, "fit");
  if (code == 0 && count == 0) {
    code = error_set(err, ERROR_INPUT, "%s: the weight is 0 everywhere", function_name(grid->function));
  }
  if (code == 0) {
    levels = levels < count ? levels : (unsigned)count;
    code = allocate(&layers, count, levels, err);
  }
  if (code == 0) {
    on_grid = cluster(&layers, items, levels, grid, partition) + grid->spread;
    *lower = fmax(0, on_grid - 0.5 * (grid->high - grid->low) * crossing_doubt(grid, events));
    code = fit_value_cut(partition, grid, err);
  }
  if (code == 0) {
    partition_rate(partition, grid);
    code = polish_value(partition, grid, err);
  }
  free(items);
  free(events);
  free(layers.mass);
  free(layers.start);
  return code;
}
