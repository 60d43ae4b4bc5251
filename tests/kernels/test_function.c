/* Functions: f' against differences of f, integrals against a plain rule, PyTorch's conventions at kinks, names.
 *
 * Tolerances: central differences with step 1e-5 err by 1e-10 of f''' and by rounding, 1e-16 / 1e-5; Simpson's rule on
 * 2000 parts of a unit interval by 1e-14. */
#include "kernels/function.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static bool near_knot(const struct function *function, double x, double distance) {
  struct function_knot knots[8];
  size_t count = function_knots(function, knots, 8);
  for (size_t i = 0; i < count; i++) {
    if (fabs(x - knots[i].x) < distance) {
      return true;
    }
  }
  return false;
}

Test(function, derivative_is_the_slope) {
  for (int id = 0; id < FUNCTION_STEPWISE; id++) {
    struct function function;
    function_init(&function, (enum function_id)id);
    for (int i = -560; i < 560; i++) {
      double x = i * 0.0537, step = 1e-5, slope;
      if (near_knot(&function, x, 2 * step)) {
        continue;
      }
      slope = (function_value(&function, x + step) - function_value(&function, x - step)) / (2 * step);
      cr_expect_float_eq(function_derivative(&function, x), slope, 5e-9, "%s at %g: %.12g, slope %.12g",
                         function_name(&function), x, function_derivative(&function, x), slope);
    }
  }
}

Test(function, tails_keep_their_relative_accuracy) {
  static const struct {
    enum function_id id;
    double x, value, derivative; /* value NAN: not compared */
  } rows[] = {
      {FUNCTION_GELU, -10, -7.619853024160526e-23, -7.618400096464814e-22}, /* -10 Phi(-10), Phi(-10) - 10 phi(10) */
      {FUNCTION_SILU, -40, -1.6993417021166355e-16, -1.6568581595637e-16},
      {FUNCTION_MISH, -40, -1.6993417021166355e-16, -1.6568581595637e-16},
      {FUNCTION_SOFTPLUS, -40, 4.248354255291589e-18, 4.248354255291589e-18},
      {FUNCTION_SIGMOID, 40, NAN, 4.248354255291589e-18},
      {FUNCTION_TANH, -20, NAN, 1.699341702116636e-17},
      {FUNCTION_LOGSIGMOID, 40, -4.248354255291589e-18, 4.248354255291589e-18},
      {FUNCTION_TANHSHRINK, 1e-4, 3.33333332e-13, NAN}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct function function;
    double value, derivative;
    function_init(&function, rows[i].id);
    value = function_value(&function, rows[i].x);
    derivative = function_derivative(&function, rows[i].x);
    cr_expect(isnan(rows[i].value) || fabs(value / rows[i].value - 1) < 1e-9, "%s(%g) = %.16g",
              function_name(&function), rows[i].x, value);
    cr_expect(isnan(rows[i].derivative) || fabs(derivative / rows[i].derivative - 1) < 1e-9, "%s'(%g) = %.16g",
              function_name(&function), rows[i].x, derivative);
  }
}

Test(function, extremes_are_finite_or_what_they_tend_to) {
  static const double extremes[] = {1e5, 1e300, INFINITY};
  for (int id = 0; id < FUNCTION_STEPWISE; id++) {
    struct function function;
    function_init(&function, (enum function_id)id);
    for (size_t i = 0; i < 3; i++) {
      for (int sign = -1; sign <= 1; sign += 2) {
        double x = sign * extremes[i], slope = function_derivative(&function, x);
        cr_expect(isfinite(slope) && slope > -0.01 && slope < 1.06, "%s'(%g) = %g", function_name(&function), x, slope);
        cr_expect_not(isnan(function_value(&function, x)), "%s(%g)", function_name(&function), x);
      }
    }
    cr_expect(isnan(function_value(&function, NAN)) || id == FUNCTION_RELU || id == FUNCTION_HARDSIGMOID,
              "%s(NaN) = %g", function_name(&function), function_value(&function, NAN));
  }
}

static double simpson(const struct function *function, double a, double b, bool square) {
  enum { PARTS = 2000 };
  double sum = 0, h = (b - a) / PARTS;
  for (int i = 0; i <= PARTS; i++) {
    double x = i == 0 ? a + 1e-13 : i == PARTS ? b - 1e-13 : a + h * i, slope = function_derivative(function, x);
    sum += (i == 0 || i == PARTS ? 1 : i % 2 ? 4 : 2) * (square ? slope * slope : slope);
  }
  return sum * h / 3;
}

Test(function, closed_integrals_are_right) {
  for (int id = 0; id < FUNCTION_STEPWISE; id++) {
    struct function function;
    double first, second;
    function_init(&function, (enum function_id)id);
    for (int a = -9; a < 9; a++) {
      if (near_knot(&function, a + 0.5, 0.49)) { /* hardshrink's are between the whole numbers */
        continue;
      }
      if (!function_integrals(&function, a, a + 1, &first, &second)) {
        continue;
      }
      cr_expect_float_eq(first, simpson(&function, a, a + 1, false), 1e-11, "%s on %d: %.16g", function_name(&function),
                         a, first);
      cr_expect_float_eq(second, simpson(&function, a, a + 1, true), 1e-11, "%s squared on %d: %.16g",
                         function_name(&function), a, second);
    }
  }
}

Test(function, kinks_are_pytorchs) {
  static const struct {
    enum function_id id;
    double x, slope;
  } rows[] = {{FUNCTION_RELU, 0, 0},          {FUNCTION_RELU6, 0, 0},        {FUNCTION_RELU6, 6, 0},
              {FUNCTION_LEAKY_RELU, 0, 0.01}, {FUNCTION_HARDTANH, -1, 0},    {FUNCTION_HARDTANH, 1, 0},
              {FUNCTION_HARDSIGMOID, -3, 0},  {FUNCTION_HARDSIGMOID, 3, 0},  {FUNCTION_HARDSHRINK, 0.5, 0},
              {FUNCTION_HARDSHRINK, -0.5, 0}, {FUNCTION_SOFTSHRINK, 0.5, 0}, {FUNCTION_THRESHOLD, 0, 0},
              {FUNCTION_HARDSWISH, -3, -0.5}, {FUNCTION_HARDSWISH, 3, 1.5},  {FUNCTION_ELU, 0, 1}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct function function;
    function_init(&function, rows[i].id);
    cr_expect_eq(function_derivative(&function, rows[i].x), rows[i].slope, "%s'(%g) = %g", function_name(&function),
                 rows[i].x, function_derivative(&function, rows[i].x));
  }
}

Test(function, knots_say_where_pieces_begin) {
  for (int id = 0; id < FUNCTION_STEPWISE; id++) {
    struct function function;
    struct function_knot knots[8];
    size_t count;
    function_init(&function, (enum function_id)id);
    count = function_knots(&function, knots, 8);
    for (size_t i = 0; i < count; i++) {
      double at = function_derivative(&function, knots[i].x);
      double left = function_derivative_side(&function, knots[i].x, -1);
      double right = function_derivative_side(&function, knots[i].x, 1);
      cr_expect_eq(knots[i].jump, fabs(left - right) > 1e-12, "%s at %g", function_name(&function), knots[i].x);
      cr_expect_eq(at, knots[i].above ? left : right, "%s at %g: %g, not %g | %g", function_name(&function), knots[i].x,
                   at, left, right);
    }
  }
}

Test(function, names_and_parameters) {
  struct function function;
  struct error err;
  for (int id = 0; id < FUNCTION_STEPWISE; id++) {
    cr_assert_eq(function_find(&function, function_traits((enum function_id)id)->name, &err), 0);
    cr_expect_eq((int)function.id, id);
  }
  cr_expect_eq(function_find(&function, "swish", &err), 0);
  cr_expect_eq(function.id, FUNCTION_SILU);
  cr_expect_eq(function_find(&function, "gelo", &err), ERROR_USAGE);
  cr_expect(strstr(err.message, "gelu, gelu_tanh, silu"), "%s", err.message);

  function_init(&function, FUNCTION_ELU);
  cr_expect_eq(function_set(&function, "alpha", 0.5, &err), 0);
  cr_expect_float_eq(function_value(&function, -1), 0.5 * expm1(-1), 1e-15);
  cr_expect_eq(function_set(&function, "beta", 2, &err), ERROR_USAGE);
  cr_expect_eq(function_set(&function, "alpha", NAN, &err), ERROR_USAGE);
  function_init(&function, FUNCTION_HARDTANH);
  cr_expect_eq(function_set(&function, "min", 2, &err), 0);
  cr_expect_eq(function_check(&function, &err), ERROR_USAGE);
  cr_expect_eq(function_set(&function, "max_val", 3, &err), 0);
  cr_expect_eq(function_check(&function, &err), 0);
}
