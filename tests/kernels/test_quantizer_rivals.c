/* No table is better than the fit: for every continuous function, 1 to 4 bits and two weights, tables of many makes are
 * measured under the weight of the fit. `interval` is held against tables of one level a stretch, `value` against any.
 *
 * Tolerance: both errors come from one quadrature, which errs by less than 1e-12 of the integral of w f'^2 (at most 20). */
#include "kernels/quantizer.h"
#include "tests/kernels/brute_force.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 2001, STRETCHES = 64 };

static const double reach = 8;
static uint64_t state = 1;

static double random_unit(void) {
  state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(state >> 11) * 0x1p-53;
}

struct rivalry {
  const struct brute_case *brute;
  struct function function;
  const struct weight *weight;
  unsigned bits;
  double value, interval; /* the fits' errors */
  unsigned held;          /* tables that were held against them */
};

static void hold(struct rivalry *r, const struct quantizer *table, bool of_intervals, const char *make) {
  const double tolerance = 2e-11;
  double error;
  cr_assert_eq(quantizer_measure(table, &r->function, r->weight, &error, NULL, NULL), 0);
  cr_expect(r->value <= error + tolerance, "%s, %u bits, %s: %.12g, value %.12g", r->brute->name, r->bits, make, error,
            r->value);
  cr_expect(!of_intervals || r->interval <= error + tolerance, "%s, %u bits, %s: %.12g, interval %.12g", r->brute->name,
            r->bits, make, error, r->interval);
  r->held++;
}

static void hold_table(struct rivalry *r, const double *breakpoints, const uint8_t *codes, unsigned intervals,
                       const double *levels, const char *make) {
  static struct quantizer table;
  struct error err;
  cr_assert_eq(quantizer_from_table(&table, &r->function, breakpoints, codes, intervals, levels, 1u << r->bits, &err),
               0, "%s", err.message);
  hold(r, &table, !codes, make);
}

static int ascending(const void *a, const void *b) {
  const double *p = a, *q = b;
  return (*p > *q) - (*p < *q);
}

/* Lloyd's way from a random start to a local minimum, on samples: means of stretches, then stretches by means. */
static void hold_lloyd(struct rivalry *r) {
  double cut[16] = {0}, level[16] = {0};
  const unsigned m = 1u << r->bits;
  for (unsigned i = 0; i + 1 < m; i++) {
    cut[i] = reach * (2 * random_unit() - 1);
  }
  qsort(cut, m - 1, sizeof *cut, ascending);
  for (int round = 0; round < 30; round++) {
    double mass[16] = {0}, sum[16] = {0};
    unsigned k = 0;
    for (int i = 0; i < SAMPLES; i++) {
      const double x = reach * (2.0 * i / (SAMPLES - 1) - 1), w = weight_density(r->weight, x);
      while (k + 1 < m && x >= cut[k]) {
        k++;
      }
      mass[k] += w;
      sum[k] += w * r->brute->derivative(x);
    }
    for (unsigned i = 0; i < m; i++) {
      level[i] = mass[i] > 0 ? sum[i] / mass[i] : level[i];
    }
    if (round == 29) {
      break;
    }
    for (unsigned i = 0; i + 1 < m; i++) { /* a little towards where f' is their mean */
      const double miss = r->brute->derivative(cut[i]) - (level[i] + level[i + 1]) / 2;
      const double step = level[i + 1] > level[i] ? -miss : miss;
      const double low = i ? cut[i - 1] : -reach, high = i + 2 < m ? cut[i + 1] : reach;
      cut[i] = fmin(fmax(cut[i] + step, low + 1e-3 * (high - low)), high - 1e-3 * (high - low));
    }
  }
  hold_table(r, cut, NULL, m, level, "Lloyd's");
}

/* Levels at random or spread evenly over what f' takes, each x the nearest one: tables of any map. */
static void hold_nearest(struct rivalry *r, bool evenly) {
  static double derivative[SAMPLES];
  double level[16], breakpoints[STRETCHES], low = INFINITY, high = -INFINITY;
  uint8_t codes[STRETCHES + 1] = {0};
  const unsigned m = 1u << r->bits;
  unsigned intervals = 0;
  for (int i = 0; i < SAMPLES; i++) {
    derivative[i] = r->brute->derivative(reach * (2.0 * i / (SAMPLES - 1) - 1));
    low = fmin(low, derivative[i]);
    high = fmax(high, derivative[i]);
  }
  for (unsigned k = 0; k < m; k++) {
    level[k] = low + (high - low) * (evenly ? (k + 0.5) / m : random_unit());
  }
  for (int i = 0; i < SAMPLES; i++) {
    unsigned best = 0;
    for (unsigned k = 1; k < m; k++) {
      best = fabs(level[k] - derivative[i]) < fabs(level[best] - derivative[i]) ? k : best;
    }
    if (intervals && codes[intervals - 1] == best) {
      continue;
    }
    cr_assert_leq(intervals, (unsigned)STRETCHES);
    if (intervals) {
      breakpoints[intervals - 1] = reach * (2.0 * (i - 0.5) / (SAMPLES - 1) - 1);
    }
    codes[intervals++] = (uint8_t)best;
  }
  hold_table(r, breakpoints, codes, intervals, level, evenly ? "even levels" : "random levels");
}

/* The fit for something else, and the fit itself with every figure moved a little. */
static void hold_fits(struct rivalry *r, enum quantizer_method method) {
  static const struct weight others[] = {{WEIGHT_UNIFORM, -3, 3, NULL}, {WEIGHT_NORMAL, 0.5, 2, NULL}};
  const bool of_intervals = method == QUANTIZER_INTERVAL;
  static struct quantizer table;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    cr_assert_eq(quantizer_fit(&table, &r->function, r->bits, method, &others[i], NULL), 0);
    hold(r, &table, of_intervals, "for another weight");
  }
  static const double steps[] = {0.1, 0.01, 0.001};
  for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
    const double step = steps[k];
    cr_assert_eq(quantizer_fit(&table, &r->function, r->bits, method, r->weight, NULL), 0);
    hold(r, &table, of_intervals, "the fit itself");
    for (unsigned i = 0; i + 1 < table.intervals; i++) {
      const double below = i ? table.breakpoints_exact[i - 1] : -INFINITY;
      const double moved = table.breakpoints_exact[i] + step * (2 * random_unit() - 1);
      table.breakpoints_exact[i] = moved > below ? moved : nextafter(below, INFINITY);
    }
    for (unsigned i = 0; i < table.levels_count; i++) {
      table.levels_exact[i] += 0.2 * step * (2 * random_unit() - 1);
    }
    hold(r, &table, of_intervals, "the fit, moved");
  }
}

static double fit_error(const struct rivalry *r, enum quantizer_method method) {
  static struct quantizer q;
  double error;
  cr_assert_eq(quantizer_fit(&q, &r->function, r->bits, method, r->weight, NULL), 0);
  cr_assert_eq(quantizer_measure(&q, &r->function, r->weight, &error, NULL, NULL), 0);
  return error;
}

static void hold_all(const struct weight *weight) {
  for (size_t i = 0; i < brute_cases_count; i++) {
    for (unsigned bits = 1; bits <= 4; bits++) {
      struct rivalry r = {.brute = &brute_cases[i], .weight = weight, .bits = bits};
      cr_assert_eq(function_find(&r.function, brute_cases[i].name, NULL), 0);
      r.value = fit_error(&r, QUANTIZER_VALUE);
      r.interval = fit_error(&r, QUANTIZER_INTERVAL);
      cr_expect_leq(r.value, r.interval + 1e-12, "%s, %u bits", brute_cases[i].name, bits);
      hold_fits(&r, QUANTIZER_VALUE);
      hold_fits(&r, QUANTIZER_INTERVAL);
      hold_nearest(&r, true);
      for (int again = 0; again < 5; again++) {
        hold_nearest(&r, false);
        hold_lloyd(&r);
      }
      cr_assert_eq(r.held, 27u);
    }
  }
}

Test(quantizer_rivals, none_is_better_under_the_papers_weight) {
  const struct weight uniform = {WEIGHT_UNIFORM, -10, 10, NULL};
  hold_all(&uniform);
}

Test(quantizer_rivals, none_is_better_under_the_normal_weight) {
  const struct weight normal = {WEIGHT_NORMAL, 0, 1, NULL};
  hold_all(&normal);
}

Test(quantizer_rivals, none_is_better_under_the_default_weight) {
  hold_all(&weight_default);
}
