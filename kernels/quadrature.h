/* Integrals of w, w f' and w f'^2, and of any smooth function: closed form where there is one, else adaptive
 * Gauss-Kronrod (7, 15) in double. */
#ifndef ACTSCOPE_KERNELS_QUADRATURE_H
#define ACTSCOPE_KERNELS_QUADRATURE_H

#include "kernels/function.h"
#include "kernels/weight.h"

enum { QUADRATURE_VALUES = 4 };

/* Fills in values[0 .. count - 1] of the integrands at x. */
typedef void quadrature_integrand(double x, double *values, void *context);

/* Adds the integrals over [a, b] of `count` integrands (at most QUADRATURE_VALUES) to sums. They are smooth inside. */
void quadrature_add(quadrature_integrand *integrand, void *context, unsigned count, double a, double b, double *sums);

struct integrals {
  double mass, first, second; /* of w, w f', w f'^2 */
};

/* Over [a, b], in which neither function nor weight has a knot or an edge. */
struct integrals quadrature_integrals(const struct function *function, const struct weight *weight, double a, double b);

#endif
