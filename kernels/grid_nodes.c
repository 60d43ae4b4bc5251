/* Places a grid's nodes: first a scaffold of samples, knots and edges; then the turning points found on it; at last
 * each piece of scaffold is divided, or joined with its neighbours. */
#include "kernels/grid_nodes.h"

#include "kernels/grid.h"
#include "kernels/out_of_memory.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EVEN_SAMPLES = 768, NEAR_SAMPLES = 768, TURNS_MAX = 256, KNOTS_MAX = 1 << 17 };

void grid_nodes_fini(struct grid_nodes *nodes) {
  free(nodes->at);
  *nodes = (struct grid_nodes){0};
}

static int push(struct grid_nodes *nodes, double x, unsigned mark, struct error *err) {
  if (nodes->count == nodes->capacity) {
    size_t wanted = 2 * nodes->capacity + 4096;
    struct grid_node *more = realloc(nodes->at, wanted * sizeof *more);
    if (!more) {
      return out_of_memory(err, "grid");
    }
    nodes->at = more;
    nodes->capacity = wanted;
  }
  nodes->at[nodes->count++] = (struct grid_node){x, (unsigned char)mark};
  return 0;
}

/* ---- the scaffold ---------------------------------------------------------------------------------------------- */

struct point {
  double x;
  unsigned mark;
};

static int compare_points(const void *a, const void *b) {
  const struct point *p = a, *q = b;
  return p->x < q->x ? -1 : p->x > q->x ? 1 : (int)q->mark - (int)p->mark;
}

static size_t add_samples(struct point *points, double low, double high) {
  double from = asinh(low * 4), to = asinh(high * 4); /* dense near 0, where functions bend */
  size_t count = 0;
  for (int i = 1; i < EVEN_SAMPLES; i++) {
    points[count++] = (struct point){low + (high - low) * i / EVEN_SAMPLES, 0};
  }
  for (int i = 1; i < NEAR_SAMPLES; i++) {
    points[count++] = (struct point){sinh(from + (to - from) * i / NEAR_SAMPLES) / 4, 0};
  }
  points[count++] = (struct point){low, GRID_END | GRID_KNOT};
  points[count++] = (struct point){high, GRID_END | GRID_KNOT};
  return count;
}

static int add_knots(struct point *points, size_t *count, const struct function *function, double low, double high,
                     size_t capacity, struct error *err) {
  struct function_knot *knots = malloc((capacity + 1) * sizeof *knots);
  size_t found;
  if (!knots) {
    return out_of_memory(err, "grid");
  }
  found = function_knots(function, knots, capacity);
  for (size_t i = 0; i < found; i++) {
    if (knots[i].x > low && knots[i].x < high) {
      points[(*count)++] = (struct point){knots[i].x, GRID_KNOT | (knots[i].jump ? GRID_JUMP : 0)};
    }
  }
  free(knots);
  return 0;
}

/* Sorted; a sample too near to its neighbour is dropped, and of the same x marked twice one is kept. */
static int keep_points(struct grid_nodes *nodes, struct point *points, size_t count, struct error *err) {
  int code = 0;
  double least;
  qsort(points, count, sizeof *points, compare_points);
  least = 1e-9 * fmin(1, points[count - 1].x - points[0].x);
  for (size_t i = 0; code == 0 && i < count; i++) {
    if (nodes->count && points[i].x == nodes->at[nodes->count - 1].x) {
      nodes->at[nodes->count - 1].mark |= (unsigned char)points[i].mark;
      continue;
    }
    if (!points[i].mark && (points[i].x < points[0].x + least || points[i].x > points[count - 1].x - least ||
                            (nodes->count && points[i].x - nodes->at[nodes->count - 1].x < least) ||
                            (i + 1 < count && points[i + 1].mark && points[i + 1].x - points[i].x < least))) {
      continue;
    }
    code = push(nodes, points[i].x, points[i].mark, err);
  }
  return code;
}

static int build_scaffold(struct grid_nodes *nodes, const struct function *function, const struct weight *weight,
                          struct error *err) {
  size_t edges = weight->kind == WEIGHT_HISTOGRAM ? weight->histogram->bins + 1 : 0;
  size_t knots = function_knots(function, NULL, 0), count;
  struct point *points;
  double low, high;
  int code;
  weight_support(weight, &low, &high);
  if (knots > KNOTS_MAX || edges > KNOTS_MAX) {
    return error_set(err, ERROR_INPUT, "%s: more than %d knots or bins", function_name(function), KNOTS_MAX);
  }
  points = malloc((EVEN_SAMPLES + NEAR_SAMPLES + 2 + edges + knots) * sizeof *points);
  if (!points) {
    return out_of_memory(err, "grid");
  }
  count = add_samples(points, low, high);
  for (size_t i = 1; i + 1 < edges; i++) {
    points[count++] = (struct point){weight->histogram->edges[i], GRID_KNOT};
  }
  code = add_knots(points, &count, function, low, high, knots, err);
  if (code == 0) {
    code = keep_points(nodes, points, count, err);
  }
  free(points);
  return code;
}

/* ---- turning points -------------------------------------------------------------------------------------------- */

/* Golden section for the largest of sign * f' in [a, b]. */
static double find_extreme(const struct function *function, double a, double b, double sign) {
  const double golden = 0.61803398874989484820;
  double c = b - golden * (b - a), d = a + golden * (b - a);
  double fc = sign * function_derivative(function, c), fd = sign * function_derivative(function, d);
  for (int i = 0; i < 60 && b - a > 1e-10 * fmax(1, fabs(a)); i++) {
    if (fc > fd) {
      b = d;
      d = c;
      fd = fc;
      c = b - golden * (b - a);
      fc = sign * function_derivative(function, c);
    } else {
      a = c;
      c = d;
      fc = fd;
      d = a + golden * (b - a);
      fd = sign * function_derivative(function, d);
    }
  }
  return 0.5 * (a + b);
}

struct turns {
  struct point points[TURNS_MAX];
  size_t count;
};

static int add_turn(struct turns *turns, const struct function *function, const struct grid_nodes *nodes, size_t at,
                    double sign, struct error *err) {
  double x = nodes->at[at].x;
  if (turns->count == TURNS_MAX) {
    return error_set(err, ERROR_INPUT, "%s: the derivative turns more than %d times; smooth it",
                     function_name(function), TURNS_MAX);
  }
  if (!(nodes->at[at].mark & GRID_KNOT)) {
    x = find_extreme(function, nodes->at[at - 1].x, nodes->at[at + 1].x, sign);
  }
  turns->points[turns->count++] = (struct point){x, GRID_TURN};
  return 0;
}

/* One walk over the nodes, jump-free run by run: `sign` is the present direction, `best` the farthest node in it. */
static int find_turns(struct turns *turns, const struct function *function, const struct grid_nodes *nodes,
                      double tolerance, struct error *err) {
  double sign = 0, farthest = 0, start = 0;
  size_t best = 0;
  int code = 0;
  for (size_t i = 0; code == 0 && i < nodes->count; i++) {
    bool jump = nodes->at[i].mark & (GRID_JUMP | GRID_END);
    double value = function_derivative_side(function, nodes->at[i].x, i ? -1 : 1);
    if (!(fabs(value) <= (double)FLT_MAX)) {
      return error_set(err, ERROR_INPUT, "%s: the derivative is %s at %g", function_name(function),
                       isfinite(value) ? "beyond float32" : "not finite", nodes->at[i].x);
    }
    if (i && sign == 0 && fabs(value - start) > tolerance) {
      sign = value > start ? 1 : -1;
      farthest = value;
      best = i;
    } else if (i && sign != 0 && sign * (value - farthest) > 0) {
      farthest = value;
      best = i;
    } else if (i && sign != 0 && sign * (farthest - value) > tolerance) {
      code = add_turn(turns, function, nodes, best, sign, err);
      sign = -sign;
      farthest = value;
      best = i;
    }
    if (jump) { /* a new run begins on the right of it */
      sign = 0;
      start = function_derivative_side(function, nodes->at[i].x, 1);
    }
  }
  return code;
}

static double derivative_range(const struct function *function, const struct grid_nodes *nodes) {
  double low = INFINITY, high = -INFINITY;
  for (size_t i = 0; i < nodes->count; i++) {
    double value = function_derivative(function, nodes->at[i].x);
    low = fmin(low, value);
    high = fmax(high, value);
  }
  return high - low;
}

/* Nodes and turns, both ascending, into one. */
static int merge_turns(struct grid_nodes *merged, const struct grid_nodes *nodes, const struct turns *turns,
                       struct error *err) {
  size_t turn = 0;
  int code = 0;
  for (size_t i = 0; code == 0 && i < nodes->count; i++) {
    while (code == 0 && turn < turns->count && turns->points[turn].x < nodes->at[i].x) {
      code = push(merged, turns->points[turn++].x, GRID_TURN, err);
    }
    if (code == 0) {
      bool here = turn < turns->count && turns->points[turn].x == nodes->at[i].x;
      code = push(merged, nodes->at[i].x, nodes->at[i].mark | (here ? GRID_TURN : 0u), err);
      turn += here;
    }
  }
  return code;
}

/* ---- dividing and joining -------------------------------------------------------------------------------------- */

/* Mass and rise of each piece of scaffold; returns the sum of the roots of their products. */
static double measure_pieces(const struct grid_nodes *nodes, const struct function *function,
                             const struct weight *weight, double *mass, double *rise) {
  double total = 0;
  for (size_t i = 0; i + 1 < nodes->count; i++) {
    double a = nodes->at[i].x, b = nodes->at[i + 1].x;
    mass[i] = (weight_density(weight, 0.75 * a + 0.25 * b) + weight_density(weight, 0.25 * a + 0.75 * b)) / 2 * (b - a);
    rise[i] = fabs(function_derivative_side(function, b, -1) - function_derivative_side(function, a, 1));
    total += sqrt(mass[i] * rise[i]);
  }
  return total;
}

static int divide(struct grid_nodes *out, const struct grid_nodes *nodes, const double *mass, const double *rise,
                  double target, struct error *err) {
  double joined_mass = 0, joined_rise = 0;
  bool divided = false;
  int code = 0;
  for (size_t i = 0; code == 0 && i + 1 < nodes->count; i++) {
    double share = sqrt(mass[i] * rise[i]) / target;
    size_t parts = share > 1 ? (size_t)ceil(share) : 1;
    joined_mass += mass[i];
    joined_rise += rise[i];
    if (nodes->at[i].mark || parts > 1 || divided || sqrt(joined_mass * joined_rise) > target) {
      code = push(out, nodes->at[i].x, nodes->at[i].mark, err); /* else this piece joins the cell before it */
      joined_mass = mass[i];
      joined_rise = rise[i];
    }
    divided = parts > 1;
    for (size_t part = 1; code == 0 && part < parts; part++) {
      code = push(out, nodes->at[i].x + (nodes->at[i + 1].x - nodes->at[i].x) * (double)part / (double)parts, 0, err);
    }
  }
  if (code == 0 && nodes->count > 0) {
    code = push(out, nodes->at[nodes->count - 1].x, nodes->at[nodes->count - 1].mark, err);
  }
  return code;
}

static int refine(struct grid_nodes *out, const struct grid_nodes *nodes, const struct function *function,
                  const struct weight *weight, size_t cells, struct error *err) {
  double *mass = calloc(nodes->count + 1, sizeof *mass), *rise = calloc(nodes->count + 1, sizeof *rise);
  int code = mass && rise ? 0 : out_of_memory(err, "grid");
  if (code == 0) {
    double total = measure_pieces(nodes, function, weight, mass, rise);
    code = divide(out, nodes, mass, rise, total > 0 ? total / (double)cells : INFINITY, err);
  }
  free(mass);
  free(rise);
  return code;
}

int grid_nodes_place(struct grid_nodes *nodes, const struct function *function, const struct weight *weight,
                     size_t cells, struct error *err) {
  struct turns *turns = calloc(1, sizeof *turns);
  struct grid_nodes scaffold = {0}, turned = {0};
  int code = turns ? 0 : out_of_memory(err, "grid");
  *nodes = (struct grid_nodes){0};
  if (code == 0) {
    code = build_scaffold(&scaffold, function, weight, err);
  }
  if (code == 0) { /* a user's own f' may have been computed in float */
    double tolerance = derivative_range(function, &scaffold) * (function->id == FUNCTION_USER ? 1e-6 : 1e-10);
    code = find_turns(turns, function, &scaffold, tolerance, err);
  }
  if (code == 0) {
    code = merge_turns(&turned, &scaffold, turns, err);
  }
  if (code == 0) {
    code = refine(nodes, &turned, function, weight, cells, err);
  }
  grid_nodes_fini(&scaffold);
  grid_nodes_fini(&turned);
  free(turns);
  return code;
}
