/* Adaptive Gauss-Kronrod quadrature, and the integrals of a function under a weight. */
#include "kernels/quadrature.h"

#include <math.h>

/* QUADPACK's constants (Piessens et al. 1983): Kronrod's nodes and weights, and Gauss's weights of every other node. */
static const double nodes[8] = {0.991455371120812639206854697526329, 0.949107912342758524526189684047851,
                                0.864864423359769072789712788640926, 0.741531185599394439863864773280788,
                                0.586087235467691130294144691693390, 0.405845151377397166906606412076961,
                                0.207784955007898467600689403773245, 0};
static const double kronrod[8] = {0.022935322010529224963732008058970, 0.063092092629978553290700663189204,
                                  0.104790010322250183839876322541518, 0.140653259715525918745189590510238,
                                  0.169004726639267902826583426598550, 0.190350578064785409913256402421014,
                                  0.204432940075298892414161999234649, 0.209482141084727828012999174891714};
static const double gauss[4] = {0.129484966168869693270611432679082, 0.279705391489276667901467771423780,
                                0.381830050505118944950369775488975, 0.417959183673469387755102040816327};

enum { POINTS = 8, DEPTH_MAX = 40 };

struct rule {
  quadrature_integrand *integrand;
  void *context;
  unsigned count;
};

struct estimate {
  double integral[QUADRATURE_VALUES]; /* by Kronrod's rule */
  double doubt[QUADRATURE_VALUES];    /* how far Gauss's is from it */
  double size[QUADRATURE_VALUES];     /* of the integrand's modulus */
};

static void apply(const struct rule *rule, double a, double b, struct estimate *out) {
  double middle = 0.5 * (a + b), half = 0.5 * (b - a);
  *out = (struct estimate){0};
  for (unsigned i = 0; i < POINTS; i++) {
    double left[QUADRATURE_VALUES], right[QUADRATURE_VALUES] = {0};
    double difference = i % 2 ? kronrod[i] - gauss[i / 2] : kronrod[i];
    rule->integrand(middle - half * nodes[i], left, rule->context);
    if (i < POINTS - 1) {
      rule->integrand(middle + half * nodes[i], right, rule->context);
    }
    for (unsigned v = 0; v < rule->count; v++) {
      out->integral[v] += half * kronrod[i] * (left[v] + right[v]);
      out->doubt[v] += half * difference * (left[v] + right[v]);
      out->size[v] += half * kronrod[i] * (fabs(left[v]) + fabs(right[v]));
    }
  }
}

/* The difference of the rules is the error of the worse one: where it is 1e-11 of the size, Kronrod's is at rounding.
 * An integrand with noise (computed in float by someone's library) never gets there: halving does not help it. */
static bool settled(const struct rule *rule, const struct estimate *now, const struct estimate *parent) {
  for (unsigned v = 0; v < rule->count; v++) {
    double doubt = fabs(now->doubt[v]);
    bool noise = parent && doubt < 1e-5 * now->size[v] && doubt > fabs(parent->doubt[v]) / 8;
    if (!(doubt <= 1e-11 * now->size[v] || doubt < 1e-30 || noise)) {
      return false;
    }
  }
  return true;
}

static void add(const struct rule *rule, double a, double b, int depth, const struct estimate *parent, double *sums) {
  struct estimate now;
  double middle = 0.5 * (a + b);
  apply(rule, a, b, &now);
  if (depth == 0 || middle <= a || middle >= b || settled(rule, &now, parent)) {
    for (unsigned v = 0; v < rule->count; v++) {
      sums[v] += now.integral[v];
    }
    return;
  }
  add(rule, a, middle, depth - 1, &now, sums);
  add(rule, middle, b, depth - 1, &now, sums);
}

void quadrature_add(quadrature_integrand *integrand, void *context, unsigned count, double a, double b, double *sums) {
  struct rule rule = {integrand, context, count};
  if (b > a) {
    add(&rule, a, b, DEPTH_MAX, NULL, sums);
  }
}

/* ---- under a weight -------------------------------------------------------------------------------------------- */

struct under {
  const struct function *function;
  const struct weight *weight;
};

static void weighted(double x, double *values, void *context) {
  const struct under *under = context;
  double derivative = function_derivative(under->function, x), density = weight_density(under->weight, x);
  values[0] = density * derivative;
  values[1] = density * derivative * derivative;
}

static double normal_mass(const struct weight *weight, double a, double b) {
  double scale = 1 / (weight->b * sqrt(2)), low = (a - weight->a) * scale, high = (b - weight->a) * scale;
  if (low > 0) { /* from the side of the tail */
    return 0.5 * (erfc(low) - erfc(high));
  }
  return high < 0 ? 0.5 * (erfc(-high) - erfc(-low)) : 0.5 * (erf(high) - erf(low));
}

static void plain(double x, double *values, void *context) {
  const struct under *under = context;
  double derivative = function_derivative(under->function, x);
  values[0] = derivative;
  values[1] = derivative * derivative;
}

struct integrals quadrature_integrals(const struct function *function, const struct weight *weight, double a,
                                      double b) {
  struct under under = {function, weight};
  double sums[QUADRATURE_VALUES] = {0}, density = weight_density(weight, 0.5 * (a + b));
  if (!(b > a)) {
    return (struct integrals){0};
  }
  if (weight->kind == WEIGHT_NORMAL) {
    quadrature_add(weighted, &under, 2, a, b, sums);
    return (struct integrals){normal_mass(weight, a, b), sums[0], sums[1]};
  }
  if (!function_integrals(function, a, b, &sums[0], &sums[1])) {
    quadrature_add(plain, &under, 2, a, b, sums);
  }
  return (struct integrals){density * (b - a), density * sums[0], density * sums[1]};
}
