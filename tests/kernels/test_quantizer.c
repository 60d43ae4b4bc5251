/* Fits: against a dynamic program that shares no code with them, against the figures of the design, and against any
 * small change.
 *
 * Tolerances. A quantizer on a grid is a quantizer: the fit is never above it, but for what eight midpoints a cell miss
 * of the integral (1e-5 of it). The optimum on 400 cells is above the true one by the square of cells to a stretch:
 * 8 % with 16 levels on [-10, 10], where most stretches are 5 to 20 cells wide; the lower bounds are asserted tightly. */
#include "kernels/quantizer.h"
#include "tests/kernels/brute_force.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct weight uniform_10 = {WEIGHT_UNIFORM, -10, 10, NULL}, normal_1 = {WEIGHT_NORMAL, 0, 1, NULL};

static struct quantizer fit(const char *name, unsigned bits, enum quantizer_method method,
                            const struct weight *weight) {
  struct quantizer quantizer;
  struct function function;
  struct error err;
  cr_assert_eq(function_find(&function, name, &err), 0, "%s", err.message);
  cr_assert_eq(quantizer_fit(&quantizer, &function, bits, method, weight, &err), 0, "%s", err.message);
  return quantizer;
}

static void compare_with_brute_force(const struct weight *weight, brute_weight *density, double low, double high) {
  for (size_t i = 0; i < brute_cases_count; i++) {
    for (int method = 0; method <= QUANTIZER_INTERVAL; method++) {
      double errors[5];
      brute_force(brute_cases[i].derivative, density, low, high, 400, method == QUANTIZER_VALUE, 4, errors);
      for (unsigned bits = 1; bits <= 4; bits++) {
        struct quantizer quantizer = fit(brute_cases[i].name, bits, (enum quantizer_method)method, weight);
        const char *name = quantizer_method_name((enum quantizer_method)method);
        cr_expect_leq(quantizer.error, errors[bits] * (1 + 1e-4), "%s %s %u: %g, brute force %g", brute_cases[i].name,
                      name, bits, quantizer.error, errors[bits]);
        cr_expect_geq(quantizer.error, errors[bits] * 0.85, "%s %s %u: %g, brute force %g", brute_cases[i].name, name,
                      bits, quantizer.error, errors[bits]);
        cr_expect_leq(quantizer.lower_bound, errors[bits] * (1 + 1e-4));
      }
    }
  }
}

Test(quantizer, brute_force_uniform) {
  compare_with_brute_force(&uniform_10, brute_uniform, -10, 10);
}

Test(quantizer, brute_force_normal) {
  compare_with_brute_force(&normal_1, brute_normal, -6, 6);
}

/* The design's table, and the brute force on enough cells for the digits of one row of it. */
Test(quantizer, figures_of_the_design) {
  static const struct {
    const char *name;
    double interval[4], value[4];
  } rows[] = {{"gelu", {.14105, .04056, .01190, .00314}, {.14105, .04056, .00809, .00212}},
              {"silu", {.21498, .04785, .01702, .00446}, {.21498, .04785, .01222, .00316}},
              {"selu", {.25535, .10101, .01838, .00391}, {.25535, .06604, .01415, .00343}},
              {"softplus", {.29022, .05405, .01212, .00290}, {.29022, .05405, .01212, .00290}},
              {"sigmoid", {.09650, .01301, .00308, .00078}, {.01807, .00378, .00088, .00021}},
              {"tanh", {1.01151, .11357, .02589, .00648}, {.15840, .03191, .00726, .00174}}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    for (unsigned bits = 1; bits <= 4; bits++) {
      double interval = fit(rows[i].name, bits, QUANTIZER_INTERVAL, &uniform_10).error;
      double value = fit(rows[i].name, bits, QUANTIZER_VALUE, &uniform_10).error;
      cr_expect_leq(interval, rows[i].interval[bits - 1] + 5.1e-6, "%s %u: %.7f", rows[i].name, bits, interval);
      cr_expect_leq(value, rows[i].value[bits - 1] + 5.1e-6, "%s %u: %.7f", rows[i].name, bits, value);
      cr_expect_geq(interval, rows[i].interval[bits - 1] - 1.5e-5);
      cr_expect_geq(value, rows[i].value[bits - 1] - 1.5e-5);
    }
  }
}

Test(quantizer, brute_force_on_a_fine_grid) {
  for (int method = 0; method <= QUANTIZER_INTERVAL; method++) {
    double errors[4], error = fit("silu", 3, (enum quantizer_method)method, &uniform_10).error;
    brute_force(brute_cases[2].derivative, brute_uniform, -10, 10, 2500, method == QUANTIZER_VALUE, 3, errors);
    cr_expect_leq(error, errors[3] * (1 + 1e-6));
    cr_expect_geq(error, errors[3] * (1 - 2e-3), "%g, brute force %g", error, errors[3]);
  }
}

static void check_certificate(const struct quantizer *q, double least) {
  cr_expect_leq(q->residual, 1e-10, "%s %u %s: residual %g", q->name, q->bits, quantizer_method_name(q->method),
                q->residual);
  cr_expect_leq(q->lower_bound, q->error);
  cr_expect_geq(q->lower_bound, q->error * least, "%s %u %s: %g not below %g", q->name, q->bits,
                quantizer_method_name(q->method), q->error, q->lower_bound);
}

Test(quantizer, certificates_and_order_of_methods) {
  const struct weight weights[] = {uniform_10, normal_1, weight_default, {WEIGHT_UNIFORM, -3, 1, NULL}};
  for (size_t w = 0; w < sizeof weights / sizeof *weights; w++) {
    for (size_t i = 0; i < brute_cases_count; i++) {
      double before = INFINITY;
      for (unsigned bits = 1; bits <= 5; bits++) {
        struct quantizer value = fit(brute_cases[i].name, bits, QUANTIZER_VALUE, &weights[w]);
        struct quantizer interval = fit(brute_cases[i].name, bits, QUANTIZER_INTERVAL, &weights[w]);
        check_certificate(&value, 0.995);
        check_certificate(&interval, 0.995);
        cr_expect_leq(value.error, interval.error * (1 + 1e-12), "%s %u", value.name, bits);
        cr_expect_lt(value.error, before);
        before = value.error;
      }
    }
  }
}

Test(quantizer, eight_bits) {
  static const char *const names[] = {"gelu", "selu", "tanh"};
  for (size_t i = 0; i < 3; i++) {
    struct quantizer value = fit(names[i], 8, QUANTIZER_VALUE, &normal_1);
    struct quantizer interval = fit(names[i], 8, QUANTIZER_INTERVAL, &normal_1);
    check_certificate(&value, 0.97);
    check_certificate(&interval, 0.97);
    cr_expect_eq(value.levels_count, 256u);
    cr_expect_leq(value.intervals, (unsigned)QUANTIZER_INTERVALS_MAX);
    cr_expect_lt(value.error, interval.error * (1 + 1e-9));
  }
}

static void expect_shape(const struct quantizer *q) {
  for (unsigned i = 0; i + 1 < q->intervals; i++) {
    cr_expect(i == 0 || q->breakpoints[i] > q->breakpoints[i - 1], "%s: breakpoint %u", q->name, i);
    cr_expect_neq(q->codes[i], q->codes[i + 1]);
  }
  for (unsigned i = 0; i < q->intervals; i++) {
    cr_expect_lt(q->codes[i], q->levels_count);
    cr_expect(q->method == QUANTIZER_VALUE || q->codes[i] == i);
  }
  for (unsigned i = 1; q->method == QUANTIZER_VALUE && i < q->levels_count; i++) {
    cr_expect_gt(q->levels_exact[i], q->levels_exact[i - 1]);
  }
}

Test(quantizer, invariants_of_its_figures) {
  for (int id = 0; id < FUNCTION_STEPWISE; id++) {
    for (unsigned bits = 1; bits <= 6; bits++) {
      for (int method = 0; method <= QUANTIZER_INTERVAL; method++) {
        struct quantizer q =
            fit(function_traits((enum function_id)id)->name, bits, (enum quantizer_method)method, &normal_1);
        expect_shape(&q);
      }
    }
  }
}

/* Moves each breakpoint and each level of the fit a little, both ways; measured by quadrature that is not the fit's. */
static void perturb(struct quantizer *q, double *figure, double step, const struct function *function,
                    const struct weight *weight) {
  for (int sign = -1; sign <= 1; sign += 2) {
    double kept = *figure, error;
    *figure = kept + sign * step;
    cr_assert_eq(quantizer_measure(q, function, weight, &error, NULL, NULL), 0);
    cr_expect_geq(error, q->error - 1e-14, "%s %u %s: %.17g lowers %.17g by %g", q->name, q->bits,
                  quantizer_method_name(q->method), *figure, kept, q->error - error);
    *figure = kept;
  }
}

Test(quantizer, no_small_change_lowers_the_error) {
  for (size_t i = 0; i < brute_cases_count; i++) {
    for (int method = 0; method <= QUANTIZER_INTERVAL; method++) {
      struct quantizer q = fit(brute_cases[i].name, 3, (enum quantizer_method)method, &uniform_10);
      struct function function;
      function_find(&function, brute_cases[i].name, NULL);
      for (unsigned k = 0; k + 1 < q.intervals; k++) {
        perturb(&q, &q.breakpoints_exact[k], 1e-3, &function, &uniform_10);
        perturb(&q, &q.breakpoints_exact[k], 1e-5, &function, &uniform_10);
      }
      for (unsigned k = 0; k < q.levels_count; k++) {
        perturb(&q, &q.levels_exact[k], 1e-3, &function, &uniform_10);
        perturb(&q, &q.levels_exact[k], 1e-6, &function, &uniform_10);
      }
    }
  }
}

/* ---- piecewise linear -------------------------------------------------------------------------------------------- */

static void expect_exact(const struct quantizer *q, const struct function *function) {
  struct function_knot knots[8];
  size_t count = function_knots(function, knots, 8);
  cr_expect_eq(q->error, 0, "%s: %g", q->name, q->error);
  cr_expect_eq(q->cosine, 1);
  for (size_t i = 0; i < count; i++) {
    float knot = (float)knots[i].x;
    const float points[] = {nextafterf(knot, -INFINITY), knot, nextafterf(knot, INFINITY), knot - 1, knot + 0.125f};
    for (size_t k = 0; k < 5; k++) {
      cr_expect_eq(quantizer_level(q, points[k]), (float)function_derivative(function, (double)points[k]), "%s at %.9g",
                   q->name, (double)points[k]);
    }
  }
}

Test(quantizer, piecewise_linear_is_exact) {
  for (int id = FUNCTION_RELU; id < FUNCTION_STEPWISE; id++) {
    struct function function;
    const char *name = function_traits((enum function_id)id)->name;
    function_init(&function, (enum function_id)id);
    for (unsigned bits = 1; bits <= 8; bits++) {
      struct quantizer q = fit(name, bits, QUANTIZER_VALUE, &normal_1);
      cr_expect_eq(q.levels_count, 2u, "%s: %u levels", name, q.levels_count);
      expect_exact(&q, &function);
      q = fit(name, bits, QUANTIZER_INTERVAL, &normal_1);
      if (bits > 1 || q.intervals == 2) {
        cr_expect_leq(q.intervals, 3u);
      }
      if (bits > 1) {
        expect_exact(&q, &function);
      }
    }
  }
}

Test(quantizer, piecewise_linear_with_parameters) {
  struct quantizer q;
  struct function function;
  struct error err;
  function_init(&function, FUNCTION_SOFTSHRINK);
  function_set(&function, "lambd", (double)0.1f, &err);
  cr_assert_eq(quantizer_fit(&q, &function, 1, QUANTIZER_VALUE, &normal_1, &err), 0);
  expect_exact(&q, &function);
  function_init(&function, FUNCTION_LEAKY_RELU);
  function_set(&function, "negative_slope", -0.5, &err);
  cr_assert_eq(quantizer_fit(&q, &function, 2, QUANTIZER_VALUE, &normal_1, &err), 0);
  expect_exact(&q, &function);
  expect_shape(&q);
}

/* One bit of intervals is too few for hardtanh's three pieces: [-10, 10] in two. */
Test(quantizer, piecewise_linear_with_too_few_levels) {
  struct quantizer q = fit("hardtanh", 1, QUANTIZER_INTERVAL, &uniform_10);
  cr_expect_float_eq(q.error, 2 * 9 / 11.0, 1e-12, "%.15g", q.error); /* mass 2 of 1 beside mass 9 of 0 */
  cr_expect_leq(q.residual, 1e-10);
}

/* ---- built in ---------------------------------------------------------------------------------------------------- */

Test(quantizer, built_in_tables_are_what_a_fit_gives) {
  for (int id = 0; id < FUNCTION_STEPWISE; id++) {
    for (unsigned bits = 1; bits <= 4; bits++) {
      for (int method = 0; method <= QUANTIZER_INTERVAL; method++) {
        const char *name = function_traits((enum function_id)id)->name;
        struct quantizer q, fresh = fit(name, bits, (enum quantizer_method)method, &weight_default);
        cr_assert_eq(quantizer_builtin(&q, (enum function_id)id, bits, (enum quantizer_method)method, NULL), 0, "%s %u",
                     name, bits);
        cr_expect_eq(q.bits, bits);
        cr_expect_eq((int)q.method, method);
        cr_assert_eq(q.intervals, fresh.intervals, "%s %u %s: generate the tables anew", name, bits,
                     quantizer_method_name((enum quantizer_method)method));
        cr_expect_float_eq(q.error, fresh.error, 1e-12);
        for (unsigned i = 0; i + 1 < q.intervals; i++) {
          cr_expect_float_eq(q.breakpoints_exact[i], fresh.breakpoints_exact[i], 1e-9);
        }
        for (unsigned i = 0; i < q.levels_count; i++) {
          cr_expect_float_eq(q.levels_exact[i], fresh.levels_exact[i], 1e-9);
        }
        expect_shape(&q);
      }
    }
  }
}

Test(quantizer, get_prefers_the_built_in) {
  struct quantizer q;
  struct function function;
  function_init(&function, FUNCTION_ELU);
  cr_assert_eq(quantizer_get(&q, &function, 4, QUANTIZER_VALUE, &weight_default, NULL), 0);
  cr_expect_gt(q.error, 0);
  function_set(&function, "alpha", 2, NULL);
  cr_assert_eq(quantizer_get(&q, &function, 4, QUANTIZER_VALUE, &weight_default, NULL), 0);
  cr_expect_gt(q.levels[15], 1.1f); /* f' goes up to 2 */
  cr_expect_eq(quantizer_builtin(&q, FUNCTION_GELU, 5, QUANTIZER_VALUE, NULL), ERROR_USAGE);
  cr_expect_eq(quantizer_builtin(&q, FUNCTION_USER, 1, QUANTIZER_VALUE, NULL), ERROR_USAGE);
}

/* ---- other weights, other functions -------------------------------------------------------------------------------- */

Test(quantizer, histogram_weight) {
  double edges[41], counts[40];
  struct weight weight;
  struct function function;
  struct quantizer q;
  struct error err;
  for (int i = 0; i <= 40; i++) {
    edges[i] = -4 + 0.2 * i;
  }
  for (int i = 0; i < 40; i++) {
    counts[i] = i >= 20 && i < 24 ? 0 : 1 + i % 7;
  }
  cr_assert_eq(weight_from_histogram(&weight, edges, counts, 40, &err), 0);
  function_init(&function, FUNCTION_SILU);
  for (int method = 0; method <= QUANTIZER_INTERVAL; method++) {
    double error;
    cr_assert_eq(quantizer_fit(&q, &function, 3, (enum quantizer_method)method, &weight, &err), 0, "%s", err.message);
    check_certificate(&q, 0.99);
    expect_shape(&q);
    cr_assert_eq(quantizer_measure(&q, &function, &weight, &error, NULL, &err), 0);
    cr_expect_float_eq(q.error, error, 1e-15);
    cr_expect_null(q.weight.histogram);
  }
  weight_fini(&weight);
}

/* Where the weight is 0 a breakpoint may lie anywhere; it goes to where f' is the mean of both levels. */
Test(quantizer, breakpoint_in_a_gap_of_the_weight) {
  static const double edges[] = {-3, -1, 1, 3}, counts[] = {1, 0, 1};
  struct weight weight;
  struct function function;
  struct quantizer q;
  struct error err;
  cr_assert_eq(weight_from_histogram(&weight, edges, counts, 3, &err), 0);
  function_init(&function, FUNCTION_SOFTPLUS);
  for (int method = 0; method <= QUANTIZER_INTERVAL; method++) {
    cr_assert_eq(quantizer_fit(&q, &function, 1, (enum quantizer_method)method, &weight, &err), 0);
    cr_expect_leq(q.residual, 1e-10, "%g", q.residual);
    cr_expect_float_eq(q.breakpoints_exact[0], 0, 1e-9, "%g", q.breakpoints_exact[0]);
  }
  weight_fini(&weight);
}

/* Where f' does not change there is one level. */
Test(quantizer, constant_derivative) {
  const struct weight far = {WEIGHT_UNIFORM, 30, 40, NULL};
  for (int method = 0; method <= QUANTIZER_INTERVAL; method++) {
    struct quantizer q = fit("softplus", 4, (enum quantizer_method)method, &far);
    cr_expect_eq(q.intervals, 1u);
    cr_expect_eq(q.levels_count, 1u);
    cr_expect_float_eq((double)q.levels[0], 1, 1e-15);
    cr_expect_leq(q.error, 1e-15);
    cr_expect_eq(quantizer_level(&q, -5), 1);
  }
}

Test(quantizer, wide_and_narrow_supports) {
  static const struct weight weights[] = {{WEIGHT_UNIFORM, -1e6, 1e6, NULL},
                                          {WEIGHT_UNIFORM, 0.1, 0.1001, NULL},
                                          {WEIGHT_NORMAL, 0, 1e3, NULL},
                                          {WEIGHT_NORMAL, -2, 1e-3, NULL},
                                          {WEIGHT_UNIFORM, -40, -30, NULL}};
  for (size_t w = 0; w < sizeof weights / sizeof *weights; w++) {
    for (size_t i = 0; i < brute_cases_count; i++) {
      struct quantizer value = fit(brute_cases[i].name, 4, QUANTIZER_VALUE, &weights[w]);
      struct quantizer interval = fit(brute_cases[i].name, 4, QUANTIZER_INTERVAL, &weights[w]);
      expect_shape(&value);
      cr_expect_leq(value.error, interval.error * (1 + 1e-6) + 1e-20, "%s: %g, %g", value.name, value.error,
                    interval.error);
      cr_expect_leq(value.residual, 1e-10, "%s: %g", value.name, value.residual);
      cr_expect_leq(interval.residual, 1e-10, "%s: %g", value.name, interval.residual);
    }
  }
}

static double wave(double x, const void *context) {
  return sin(x * *(const double *)context);
}

static struct function_user wave_user(const double *frequency) {
  return (struct function_user){.name = "wave", .value = wave, .derivative = wave, .context = frequency};
}

Test(quantizer, functions_of_ones_own) {
  const double slow = 3, fast = 1e3, none = NAN;
  struct function_user user = wave_user(&slow);
  struct function function = {.id = FUNCTION_USER, .user = &user};
  const struct weight weight = {WEIGHT_UNIFORM, -3, 3, NULL};
  struct quantizer q;
  struct error err;
  cr_assert_eq(quantizer_fit(&q, &function, 2, QUANTIZER_VALUE, &weight, &err), 0, "%s", err.message);
  check_certificate(&q, 0.99);
  cr_expect_str_eq(q.name, "wave");
  cr_expect_gt(q.intervals, 12u);
  user.context = &fast; /* 1910 turns */
  cr_expect_eq(quantizer_fit(&q, &function, 2, QUANTIZER_VALUE, &weight, &err), ERROR_INPUT);
  cr_expect(strstr(err.message, "turns more than"), "%s", err.message);
  user.context = &none;
  cr_expect_eq(quantizer_fit(&q, &function, 2, QUANTIZER_VALUE, &weight, &err), ERROR_INPUT);
  cr_expect(strstr(err.message, "not finite"), "%s", err.message);
  user.context = &slow; /* 6 periods of 8 bits' 255 levels */
  cr_expect_eq(quantizer_fit(&q, &function, 8, QUANTIZER_VALUE, &weight, &err), ERROR_INPUT);
  cr_expect(strstr(err.message, "use fewer bits"), "%s", err.message);
}

/* ---- wrong usage, tables ------------------------------------------------------------------------------------------- */

Test(quantizer, refused) {
  struct quantizer q;
  struct function function;
  struct error err;
  function_init(&function, FUNCTION_GELU);
  cr_expect_eq(quantizer_fit(&q, &function, 0, QUANTIZER_VALUE, &normal_1, &err), ERROR_USAGE);
  cr_expect_eq(quantizer_fit(&q, &function, 9, QUANTIZER_VALUE, &normal_1, &err), ERROR_USAGE);
  function_init(&function, FUNCTION_SOFTPLUS);
  function_set(&function, "beta", -1, &err);
  cr_expect_eq(quantizer_fit(&q, &function, 2, QUANTIZER_VALUE, &normal_1, &err), ERROR_USAGE);
  function = (struct function){.id = FUNCTION_USER};
  cr_expect_eq(quantizer_fit(&q, &function, 2, QUANTIZER_VALUE, &normal_1, &err), ERROR_USAGE);
}

Test(quantizer, tables_of_others) {
  static const double breakpoints[] = {-1, 0, 1}, descending[] = {1, 0, -1}, levels[] = {0, 0.25, 0.75, 1};
  static const uint8_t codes[] = {0, 1, 0, 3}, wrong[] = {0, 1, 2, 4};
  struct quantizer q;
  struct function function;
  struct error err;
  double error;
  function_init(&function, FUNCTION_GELU);
  cr_assert_eq(quantizer_from_table(&q, &function, breakpoints, NULL, 4, levels, 4, &err), 0);
  cr_expect_eq(q.bits, 2u);
  cr_expect_eq(q.method, QUANTIZER_INTERVAL);
  cr_expect_eq(quantizer_level(&q, -1), 0.25f); /* at a breakpoint: the stretch above it */
  cr_expect_eq(quantizer_level(&q, NAN), 0);
  cr_expect_eq(quantizer_level(&q, INFINITY), 1);
  cr_assert_eq(quantizer_measure(&q, &function, &uniform_10, &error, NULL, &err), 0);
  cr_expect_gt(error, fit("gelu", 2, QUANTIZER_INTERVAL, &uniform_10).error);
  cr_assert_eq(quantizer_from_table(&q, &function, breakpoints, codes, 4, levels, 4, &err), 0);
  cr_expect_eq(quantizer_level(&q, 0.5f), 0);
  cr_expect_eq(quantizer_from_table(&q, &function, descending, NULL, 4, levels, 4, &err), ERROR_INPUT);
  cr_expect_eq(quantizer_from_table(&q, &function, breakpoints, wrong, 4, levels, 4, &err), ERROR_INPUT);
  cr_expect_eq(quantizer_from_table(&q, &function, breakpoints, NULL, 4, levels, 3, &err), ERROR_INPUT);
  cr_expect_eq(quantizer_from_table(&q, &function, breakpoints, NULL, 0, levels, 3, &err), ERROR_INPUT);
}

/* The cosine that is measured is that of samples. */
Test(quantizer, cosine_is_that_of_samples) {
  struct quantizer q = fit("gelu", 2, QUANTIZER_VALUE, &normal_1);
  struct function function;
  double product = 0, exact = 0, few = 0;
  function_init(&function, FUNCTION_GELU);
  for (int i = -80000; i <= 80000; i++) {
    double x = i * 1e-4, w = exp(-x * x / 2), slope = function_derivative(&function, x);
    double level = (double)quantizer_level(&q, (float)x);
    product += w * slope * level;
    exact += w * slope * slope;
    few += w * level * level;
  }
  cr_expect_float_eq(q.cosine, product / sqrt(exact * few), 1e-6);
}
