/* Functions by name and number: finds them, sets their parameters, evaluates them through the table of formulas. */
#include "kernels/function.h"

#include "kernels/function_formulas.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const struct function_traits *function_traits(enum function_id id) {
  return &function_formulas[id].traits;
}

const char *function_name(const struct function *function) {
  return function->user ? function->user->name : function_traits(function->id)->name;
}

void function_init(struct function *function, enum function_id id) {
  const struct function_traits *traits = function_traits(id);
  *function = (struct function){.id = id};
  memcpy(function->params, traits->defaults, sizeof function->params);
}

void function_init_named(struct function *function, struct function_user *user, const char *name) {
  const char *stepwise = function_traits(FUNCTION_STEPWISE)->name;
  *user = (struct function_user){.context = NULL};
  strncpy(user->name, name, sizeof user->name - 1);
  *function = (struct function){.id = strcmp(name, stepwise) == 0 ? FUNCTION_STEPWISE : FUNCTION_USER, .user = user};
}

/* ---- by name --------------------------------------------------------------------------------------------------- */

static const struct {
  const char *alias, *name;
} aliases[] = {
    {"swish", "silu"},         {"hard_swish", "hardswish"}, {"leakyrelu", "leaky_relu"}, {"log_sigmoid", "logsigmoid"},
    {"hard_tanh", "hardtanh"}, {"gelu-tanh", "gelu_tanh"},  {"leaky-relu", "leaky_relu"}};

static const struct {
  const char *alias, *name;
} param_aliases[] = {{"slope", "negative_slope"}, {"lambda", "lambd"}, {"min", "min_val"}, {"max", "max_val"}};

static const char *canonical_param(const char *name) {
  for (size_t i = 0; i < sizeof param_aliases / sizeof *param_aliases; i++) {
    if (strcmp(name, param_aliases[i].alias) == 0) {
      return param_aliases[i].name;
    }
  }
  return name;
}

static const char *canonical(const char *name) {
  for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
    if (strcmp(name, aliases[i].alias) == 0) {
      return aliases[i].name;
    }
  }
  return name;
}

static void list_names(char *text, size_t size) {
  size_t used = 0;
  for (int id = 0; id < FUNCTION_STEPWISE && used < size; id++) {
    used += (size_t)snprintf(text + used, size - used, "%s%s", id ? ", " : "", function_traits(id)->name);
  }
}

int function_find(struct function *function, const char *name, struct error *err) {
  char names[400];
  const char *wanted = canonical(name);
  for (int id = 0; id < FUNCTION_STEPWISE; id++) {
    if (strcmp(function_traits(id)->name, wanted) == 0) {
      function_init(function, id);
      return 0;
    }
  }
  if (strcmp(wanted, function_traits(FUNCTION_STEPWISE)->name) == 0) {
    return error_set(err, ERROR_USAGE, "stepwise has no steps of its own: give them as a table");
  }
  list_names(names, sizeof names);
  return error_set(err, ERROR_USAGE, "no function is named '%.40s': there are %s", name, names);
}

int function_set(struct function *function, const char *param, double value, struct error *err) {
  const struct function_traits *traits = function_traits(function->id);
  for (unsigned i = 0; i < traits->params; i++) {
    if (strcmp(traits->param_names[i], canonical_param(param)) != 0) {
      continue;
    }
    if (!isfinite(value)) {
      return error_set(err, ERROR_USAGE, "%s of %s must be a finite number", param, function_name(function));
    }
    function->params[i] = value;
    return 0;
  }
  return error_set(err, ERROR_USAGE, "%s has no parameter '%s'", function_name(function), param);
}

int function_check(const struct function *function, struct error *err) {
  const struct function_formulas *formulas = &function_formulas[function->id];
  if (formulas->valid && !formulas->valid(function->params)) {
    return error_set(err, ERROR_USAGE, "%s: PyTorch has no such parameters (%s = %g%s)", formulas->traits.name,
                     formulas->traits.param_names[0], function->params[0],
                     formulas->traits.params > 1 ? ", and the other" : "");
  }
  if ((function->id == FUNCTION_USER || function->id == FUNCTION_STEPWISE) &&
      (!function->user || !function->user->derivative)) {
    return error_set(err, ERROR_USAGE, "%s: no function was given; use a table or a library", formulas->traits.name);
  }
  return 0;
}

/* ---- evaluation ------------------------------------------------------------------------------------------------ */

double function_value(const struct function *function, double x) {
  return function->user ? function->user->value(x, function->user->context)
                        : function_formulas[function->id].value(function->params, x);
}

double function_derivative(const struct function *function, double x) {
  return function->user ? function->user->derivative(x, function->user->context)
                        : function_formulas[function->id].derivative(function->params, x, x);
}

double function_derivative_side(const struct function *function, double x, int side) {
  double probe = side == 0 ? x : nextafter(x, side < 0 ? -INFINITY : INFINITY);
  return function->user ? function->user->derivative(probe, function->user->context)
                        : function_formulas[function->id].derivative(function->params, x, probe);
}

bool function_integrals(const struct function *function, double a, double b, double *first, double *second) {
  const struct function_formulas *formulas = &function_formulas[function->id];
  double middle = 0.5 * (a + b);
  if (function->user || !formulas->square_integral) {
    return false;
  }
  if (formulas->traits.piecewise_linear) { /* f may jump at a knot (hardshrink), its slope is all that counts */
    *first = formulas->derivative(function->params, middle, middle) * (b - a);
  } else if (function->id == FUNCTION_SOFTPLUS && function->params[0] * middle > function->params[1]) {
    *first = b - a; /* f jumps by 2e-9 at its threshold */
  } else {
    *first = formulas->value(function->params, b) - formulas->value(function->params, a);
  }
  *second = formulas->square_integral(function->params, a, b);
  return true;
}

size_t function_knots(const struct function *function, struct function_knot *knots, size_t capacity) {
  struct function_knot own[FORMULA_KNOTS_MAX];
  size_t count = 0;
  if (function->user) {
    for (size_t i = 0; i < function->user->knots_count && i < capacity; i++) {
      knots[i] = (struct function_knot){function->user->knots[i], false, function->id == FUNCTION_STEPWISE};
    }
    return function->user->knots_count;
  }
  if (function_formulas[function->id].knots) {
    count = function_formulas[function->id].knots(function->params, own);
  }
  for (size_t i = 0; i < count && i < capacity; i++) {
    knots[i] = own[i];
  }
  return count;
}
