/* The formulas of every built-in function: a table that function.c reads. Private to the functions. */
#ifndef ACTSCOPE_KERNELS_FUNCTION_FORMULAS_H
#define ACTSCOPE_KERNELS_FUNCTION_FORMULAS_H

#include "kernels/function.h"

enum { FORMULA_KNOTS_MAX = 2 };

/* p is params[]. `probe` is a point of the piece whose formula is meant: x itself, or a neighbour of a knot x. */
struct function_formulas {
  struct function_traits traits;
  double (*value)(const double *p, double x);
  double (*derivative)(const double *p, double x, double probe);
  /* over [a, b] within one piece; NULL if no closed form of the second is known. The first is f(b) - f(a). */
  double (*square_integral)(const double *p, double a, double b);
  unsigned (*knots)(const double *p, struct function_knot knots[FORMULA_KNOTS_MAX]); /* NULL: smooth */
  bool (*valid)(const double *p); /* NULL: any finite parameter will do */
};

extern const struct function_formulas function_formulas[FUNCTION_COUNT];

#endif
