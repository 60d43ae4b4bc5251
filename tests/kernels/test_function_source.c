/* A user's own functions: tables and steps. (Libraries: tests/cli/test_quantize.c, which has a compiler's output.) */
#include "kernels/function_source.h"
#include "kernels/quantizer.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *folder;

static void set_up(void) {
  folder = folder_make();
}

static void tear_down(void) {
  folder_remove(folder);
}

TestSuite(function_source, .init = set_up, .fini = tear_down);

static int open_text(struct function_source **source, const char *text, bool steps, struct error *err) {
  struct path path = path_join(folder, "own.csv");
  file_write(path.text, text, strlen(text));
  return function_source_table(source, path.text, steps, NULL, err);
}

Test(function_source, table_is_interpolated) {
  struct function_source *source;
  struct error err;
  const struct function *function;
  cr_assert_eq(open_text(&source, "x,slope\n-1,0\n1,1\n3,0\n", false, &err), 0, "%s", err.message);
  function = function_source_function(source);
  cr_expect_str_eq(function_name(function), "own");
  cr_expect_eq(function_derivative(function, -5), 0);
  cr_expect_eq(function_derivative(function, 0), 0.5);
  cr_expect_eq(function_derivative(function, 2), 0.5);
  cr_expect_eq(function_derivative(function, 9), 0);
  cr_expect_eq(function_value(function, 0), 0);
  cr_expect_float_eq(function_value(function, 1), 0.75, 1e-15);
  cr_expect_float_eq(function_value(function, -1), -0.25, 1e-15);
  cr_expect_float_eq(function_value(function, 100), 1.75, 1e-15);
  cr_expect_float_eq(function_value(function, INFINITY), 1.75, 1e-15); /* f' is 0 there */
  cr_expect_float_eq(function_value(function, -INFINITY), -0.25, 1e-15);
  cr_expect(isnan(function_value(function, NAN)));
  function_source_close(source);
}

Test(function_source, steps_are_exact) {
  struct function_source *source;
  struct quantizer q;
  struct error err;
  const struct function *function;
  cr_assert_eq(open_text(&source, "-1 0.5\n0 0\n2 1\n5 0.5\n", true, &err), 0, "%s", err.message);
  function = function_source_function(source);
  cr_expect_eq(function->id, FUNCTION_STEPWISE);
  cr_expect_eq(function_derivative(function, -7), 0.5);
  cr_expect_eq(function_derivative(function, 2), 1);
  cr_expect_float_eq(function_value(function, -2), -1, 1e-15);
  cr_expect_float_eq(function_value(function, 3), 1, 1e-15);
  cr_expect_eq(function_value(function, -INFINITY), -INFINITY);
  cr_expect_eq(function_value(function, INFINITY), INFINITY);
  cr_assert_eq(quantizer_fit(&q, function, 2, QUANTIZER_VALUE, &weight_default, &err), 0);
  cr_expect_eq(q.error, 0);
  cr_expect_eq(q.intervals, 4u);
  cr_expect_eq(q.levels_count, 3u);
  cr_expect_eq(quantizer_level(&q, nextafterf(2, 0)), 0);
  cr_expect_eq(quantizer_level(&q, 2), 1);
  cr_assert_eq(quantizer_fit(&q, function, 1, QUANTIZER_VALUE, &weight_default, &err), 0);
  cr_expect_gt(q.error, 0);
  cr_expect_leq(q.residual, 1e-10);
  function_source_close(source);
}

/* gelu' as a table of 2000 rows is quantized as gelu is. */
Test(function_source, table_of_a_function_gives_its_quantizer) {
  struct function_source *source;
  struct quantizer q, gelu;
  struct function function;
  struct error err;
  struct path path = path_join(folder, "gelu.csv");
  FILE *file = fopen(path.text, "w");
  function_init(&function, FUNCTION_GELU);
  for (int i = -1000; i <= 1000; i++) {
    fprintf(file, "%.17g,%.17g\n", i * 0.008, function_derivative(&function, i * 0.008));
  }
  fclose(file);
  cr_assert_eq(function_source_table(&source, path.text, false, "mine", &err), 0, "%s", err.message);
  for (int method = 0; method <= QUANTIZER_INTERVAL; method++) {
    cr_assert_eq(
        quantizer_fit(&q, function_source_function(source), 3, (enum quantizer_method)method, &weight_default, &err), 0,
        "%s", err.message);
    cr_assert_eq(quantizer_builtin(&gelu, FUNCTION_GELU, 3, (enum quantizer_method)method, &err), 0);
    cr_expect_float_eq(q.error, gelu.error, 1e-5);
    cr_expect_eq(q.intervals, gelu.intervals);
    cr_expect_leq(q.residual, 1e-10, "%g", q.residual);
  }
  function_source_close(source);
}

static int fit_table(const char *text, bool steps, enum quantizer_method method, struct error *err) {
  struct function_source *source;
  struct quantizer q;
  cr_assert_eq(open_text(&source, text, steps, err), 0, "%s", err->message);
  const int code = quantizer_fit(&q, function_source_function(source), 2, method, &weight_default, err);
  function_source_close(source);
  return code;
}

/* What float32 does not hold is refused, not computed with for ever. */
Test(function_source, huge_slopes) {
  struct error err;
  for (int method = 0; method <= QUANTIZER_INTERVAL; method++) {
    cr_expect_eq(fit_table("-1,1e300\n1,-1e300\n2,1e308\n", false, (enum quantizer_method)method, &err), ERROR_INPUT);
    cr_expect(strstr(err.message, "beyond float32"), "%s", err.message);
    cr_expect_eq(fit_table("-1,1e38\n1,-1e38\n2,3e38\n", false, (enum quantizer_method)method, &err), 0, "%s",
                 err.message);
    cr_expect_eq(fit_table("-1e300,0\n1e300,1\n", false, (enum quantizer_method)method, &err), 0, "%s", err.message);
  }
}

/* The first stage of `interval` takes the square of the jumps in memory. */
Test(function_source, many_steps) {
  enum { STEPS = 20000 };
  char *text = malloc(STEPS * 24), *at = text;
  struct error err;
  for (int i = 0; i < STEPS; i++) {
    at += sprintf(at, "%.4f,%d\n", i * 5e-4 - 5, i);
  }
  cr_expect_eq(fit_table(text, true, QUANTIZER_VALUE, &err), 0, "%s", err.message);
  cr_expect_eq(fit_table(text, true, QUANTIZER_INTERVAL, &err), ERROR_INPUT);
  cr_expect(strstr(err.message, "use method value"), "%s", err.message);
  free(text);
}

Test(function_source, refused) {
  static const char *const texts[] = {"",         "1,2\n",      "1,2\n1,3\n",  "2,1\n1,1\n",
                                      "1,2\n3\n", "1,2\n3,x\n", "1,nan\n2,1\n"};
  struct function_source *source;
  struct error err;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    cr_expect_eq(open_text(&source, texts[i], false, &err), ERROR_INPUT, "'%s'", texts[i]);
    cr_expect_null(source);
  }
  cr_expect_eq(function_source_library(&source, "no-colon", &err), ERROR_USAGE);
  cr_expect_eq(function_source_library(&source, "/nonexistent.so:f", &err), ERROR_IO);
}
