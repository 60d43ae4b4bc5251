/* The pointwise functions y = f(x) whose gradients are quantized: names, parameters, f and f' in double.
 *
 * Everything here is pure: no state, any thread. Parameters and conventions are PyTorch's, kinks included: relu'(0) is
 * 0, hardtanh' is 0 at both of its ends, a piece that starts "after" a knot starts just above it. */
#ifndef ACTSCOPE_KERNELS_FUNCTION_H
#define ACTSCOPE_KERNELS_FUNCTION_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>

enum function_id {
  /* continuous derivatives that levels approximate */
  FUNCTION_GELU,
  FUNCTION_GELU_TANH,
  FUNCTION_SILU,
  FUNCTION_MISH,
  FUNCTION_SOFTPLUS, /* beta = 1, threshold = 20 */
  FUNCTION_ELU,      /* alpha = 1 */
  FUNCTION_CELU,     /* alpha = 1 */
  FUNCTION_SELU,
  FUNCTION_HARDSWISH,
  FUNCTION_LOGSIGMOID,
  FUNCTION_SIGMOID,
  FUNCTION_TANH,
  FUNCTION_SOFTSIGN,
  FUNCTION_TANHSHRINK,
  /* piecewise linear: a few levels are exact */
  FUNCTION_RELU,
  FUNCTION_RELU6,
  FUNCTION_LEAKY_RELU, /* negative_slope = 0.01 */
  FUNCTION_HARDTANH,   /* min_val = -1, max_val = 1 */
  FUNCTION_HARDSIGMOID,
  FUNCTION_HARDSHRINK, /* lambd = 0.5 */
  FUNCTION_SOFTSHRINK, /* lambd = 0.5 */
  FUNCTION_THRESHOLD,  /* threshold = 0, value = 0 */
  FUNCTION_STEPWISE,   /* f(0) = 0 and f' the steps that are given: a table of a user's own, or an exact quantizer's */
  FUNCTION_USER,
  FUNCTION_COUNT
};

enum { FUNCTION_PARAMS = 2, FUNCTION_NAME_SIZE = 48 };

/* A function that is not built in. Knots (ascending) are where f' or f'' jumps; for FUNCTION_STEPWISE f' is constant
 * between them. Derivatives must be finite, and monotone but for a few dozen turns. value NULL: codes only; derivative
 * NULL: nothing but the name is known, as of a table in a file. */
struct function_user {
  char name[FUNCTION_NAME_SIZE];
  double (*value)(double x, const void *context);
  double (*derivative)(double x, const void *context);
  const void *context;
  const double *knots;
  size_t knots_count;
};

struct function {
  enum function_id id;
  double params[FUNCTION_PARAMS];
  const struct function_user *user; /* FUNCTION_USER and FUNCTION_STEPWISE: borrowed, never NULL; else NULL */
};

/* What is known of a function by its identity alone. */
struct function_traits {
  const char *name; /* as torch.nn.functional has it, with "gelu_tanh" for gelu(approximate="tanh") */
  unsigned params;  /* how many of params[] it has */
  const char *param_names[FUNCTION_PARAMS];
  double defaults[FUNCTION_PARAMS];
  bool piecewise_linear;
};
const struct function_traits *function_traits(enum function_id id); /* never NULL for a valid id */

/* The function with PyTorch's defaults; ERROR_USAGE with a suggestion if there is none of that name. */
int function_find(struct function *function, const char *name, struct error *err);
void function_init(struct function *function, enum function_id id); /* not for FUNCTION_STEPWISE, FUNCTION_USER */
const char *function_name(const struct function *function);
/* A function of which nothing but the name is known, "stepwise" being FUNCTION_STEPWISE; user is its storage. */
void function_init_named(struct function *function, struct function_user *user, const char *name);
/* Sets a parameter by PyTorch's name for it ("lambda", "slope", "min", "max" do too); ERROR_USAGE if the function has
 * none of that name or the value is not finite. */
int function_set(struct function *function, const char *param, double value, struct error *err);
/* Are the parameters ones that the function is defined for, and is f' known? Fits ask this first. */
int function_check(const struct function *function, struct error *err);

double function_value(const struct function *function, double x);      /* f(x) */
double function_derivative(const struct function *function, double x); /* f'(x) */

/* The integrals of f' and f'^2 over [a, b], in closed form: false where none is known. No knot may lie inside (a, b). */
bool function_integrals(const struct function *function, double a, double b, double *first, double *second);

/* Where f' or f'' jumps, ascending, at most capacity of them; returns how many there are. `above` says of a knot that
 * the piece on its right starts just above it (x > knot) and not at it (x >= knot). */
struct function_knot {
  double x;
  bool above;
  bool jump; /* f' itself jumps */
};
size_t function_knots(const struct function *function, struct function_knot *knots, size_t capacity);

/* f' just left and just right of a knot, and f' anywhere between two neighbouring knots, evaluated as the branch has it
 * there: `x` at a knot with side < 0 or > 0 gives the one-sided limit. side 0: function_derivative. */
double function_derivative_side(const struct function *function, double x, int side);

#endif
