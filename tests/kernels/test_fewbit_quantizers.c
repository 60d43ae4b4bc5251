/* libfewbit: what quantizers are made of and where they come from: fits, tables, files, functions of a caller's own, the
 * instruction set. */
#include "kernels/half.h"
#include "tests/kernels/fewbit_support.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(fewbit, tells_what_a_quantizer_is_made_of) {
  fewbit_quantizer *q = fewbit_make("gelu", 3);
  unsigned levels, breakpoints, codes;
  cr_assert_str_eq(fewbit_quantizer_function(q), "gelu");
  cr_assert_eq(fewbit_quantizer_bits(q), 3);
  cr_assert_not_null(fewbit_quantizer_levels(q, &levels));
  cr_assert_not_null(fewbit_quantizer_breakpoints(q, &breakpoints));
  cr_assert_not_null(fewbit_quantizer_codes(q, &codes));
  cr_assert_eq(levels, 8);
  cr_assert_eq(codes, breakpoints + 1);
  cr_assert_gt(fewbit_quantizer_error(q), 0);
  cr_assert_eq(fewbit_code_size(q, 1000), 375);
  cr_assert_eq(fewbit_code_size(q, ((size_t)1 << 31) + 3), (size_t)805306370);
  fewbit_quantizer_free(q);
}

Test(fewbit, makes_all_bits) {
  for (unsigned bits = 1; bits <= 8; bits++) {
    fewbit_quantizer *q = fewbit_make("silu", bits);
    cr_assert_eq(fewbit_quantizer_bits(q), bits);
    fewbit_quantizer_free(q);
  }
}

Test(fewbit, fits_with_options) {
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  const fewbit_options options = {.function = "softplus",
                                  .bits = 2,
                                  .method = FEWBIT_INTERVAL,
                                  .weight = "uniform:-4:4",
                                  .params = {{"beta", 2.0}}};
  cr_assert_eq(fewbit_quantizer_fit(&options, &q, &error), FEWBIT_OK, "%s", error.message);
  float x = 0.5f, y = 0;
  uint8_t code;
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, &x, &y, &code, 1), FEWBIT_OK);
  cr_assert_float_eq((double)y, log1p(exp(1.0)) / 2, 1e-6);
  fewbit_quantizer_free(q);
}

static double bump(double x, const void *scale) {
  return *(const double *)scale * exp(-x * x);
}

static double bump_derivative(double x, const void *scale) {
  return -2 * x * bump(x, scale);
}

Test(fewbit, takes_a_function_of_the_callers) {
  const double scale = 3;
  fewbit_options options = {
      .function = "bump", .bits = 4, .value = bump, .derivative = bump_derivative, .context = &scale};
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  float x[2] = {0.5f, -1.0f}, y[2], dx[2];
  const float dy[2] = {1, 1};
  uint8_t code;
  cr_assert_eq(fewbit_quantizer_fit(&options, &q, &error), FEWBIT_OK, "%s", error.message);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, y, &code, 2), FEWBIT_OK);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, &code, dy, dx, 2), FEWBIT_OK);
  for (int i = 0; i < 2; i++) {
    cr_assert_eq(y[i], (float)bump((double)x[i], &scale));
    cr_assert_float_eq((double)dx[i], bump_derivative((double)x[i], &scale), 0.5);
  }
  fewbit_quantizer_free(q);
  options.value = NULL; /* codes, but no f */
  cr_assert_eq(fewbit_quantizer_fit(&options, &q, &error), FEWBIT_OK, "%s", error.message);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, y, &code, 2), FEWBIT_ERROR_UNSUPPORTED);
  cr_assert_eq(fewbit_encode(q, FEWBIT_FLOAT32, x, &code, 2), FEWBIT_OK);
  fewbit_quantizer_free(q);
}

Test(fewbit, takes_a_table) {
  const double breakpoints[] = {-1, 0, 1}, levels[] = {0, 0.5};
  const uint8_t codes[] = {0, 1, 0, 1};
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  cr_assert_eq(fewbit_quantizer_from_table("tanh", breakpoints, codes, 4, levels, 2, &q, &error), FEWBIT_OK, "%s",
               error.message);
  cr_assert_eq(fewbit_quantizer_bits(q), 1);
  const float x[] = {-2, -1, -0.0f, 0, 0.9999999f, 1};
  uint8_t stream;
  cr_assert_eq(fewbit_encode(q, FEWBIT_FLOAT32, x, &stream, 6), FEWBIT_OK);
  cr_assert_eq(stream, 0x22); /* 0 1 0 0 0 1, first in bit 0: -0 is 0, and both are at the breakpoint */
  fewbit_quantizer_free(q);
}

/* The error of a table is measured, under the default weight: that of the built-in one's own figures is its own. */
Test(fewbit, measures_a_table) {
  fewbit_quantizer *q = fewbit_make("silu", 3), *table = NULL;
  unsigned levels, breakpoints;
  double wide_levels[8], wide_breakpoints[16];
  const float *level = fewbit_quantizer_levels(q, &levels), *breakpoint = fewbit_quantizer_breakpoints(q, &breakpoints);
  for (unsigned i = 0; i < levels; i++) {
    wide_levels[i] = (double)level[i];
  }
  for (unsigned i = 0; i < breakpoints; i++) {
    wide_breakpoints[i] = (double)breakpoint[i];
  }
  cr_assert_eq(fewbit_quantizer_from_table("silu", wide_breakpoints, fewbit_quantizer_codes(q, NULL), breakpoints + 1,
                                           wide_levels, levels, &table, NULL),
               FEWBIT_OK);
  cr_assert_float_eq(fewbit_quantizer_error(table), fewbit_quantizer_error(q), 1e-12);
  fewbit_quantizer_free(q);
  fewbit_quantizer_free(table);
}

/* ---- the instruction set ----------------------------------------------------------------------------------------- */

Test(fewbit, runs_on_what_is_forced) {
  const char *forced = getenv(FEWBIT_ISA_VARIABLE);
  fewbit_quantizer *q = fewbit_make("gelu", 3);
  if (forced && *forced) {
    cr_assert_str_eq(fewbit_quantizer_isa(q), forced);
  }
  for (int i = 0; i < FEWBIT_ISAS; i++) {
    fewbit_quantizer_free(fewbit_make_on(fewbit_isas[i], "gelu", 3)); /* asserts that it is that one */
  }
  fewbit_quantizer *again = fewbit_make("gelu", 3);
  cr_assert_str_eq(fewbit_quantizer_isa(q), fewbit_quantizer_isa(again));
  fewbit_quantizer_free(q);
  fewbit_quantizer_free(again);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* f' is 0.5 below -1, 0 to 2, 1 to 4, 0 again: f(x) is 0.5 (x + 1), 0, x - 2, 2. */
static fewbit_quantizer *make_steps(void) {
  const double breakpoints[] = {-1, 2, 4}, levels[] = {0, 0.5, 1};
  const uint8_t codes[] = {1, 0, 2, 0};
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  cr_assert_eq(fewbit_quantizer_from_table("stepwise", breakpoints, codes, 4, levels, 3, &q, &error), FEWBIT_OK, "%s",
               error.message);
  return q;
}

static float steps_value(float x) {
  return x < -1 ? 0.5f * (x + 1) : x < 2 ? 0 : x < 4 ? x - 2 : 2;
}

static float steps_derivative(float x) {
  return x < -1 ? 0.5f : x < 2 ? 0 : x < 4 ? 1 : 0;
}

enum { STEPS = 11 };
static const float steps_x[STEPS] = {-INFINITY, -3, -1, -0.5f, 0, 1.9999999f, 2, 3, 4, 7, INFINITY};

Test(fewbit, integrates_steps) {
  fewbit_quantizer *q = make_steps();
  float y[STEPS], same[STEPS], dx[STEPS], one[STEPS];
  uint8_t codes[STEPS];
  cr_assert_str_eq(fewbit_quantizer_function(q), "stepwise");
  cr_assert_eq(fewbit_quantizer_error(q), 0);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, steps_x, y, codes, STEPS), FEWBIT_OK);
  memcpy(same, steps_x, sizeof same);
  cr_assert_eq(fewbit_activate(q, FEWBIT_FLOAT32, same, same, STEPS), FEWBIT_OK);
  cr_assert_arr_eq(y, same, sizeof y);
  for (int i = 0; i < STEPS; i++) {
    one[i] = 1;
    cr_assert_eq(y[i], steps_value(steps_x[i]), "f(%g) = %g", (double)steps_x[i], (double)y[i]);
  }
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, one, dx, STEPS), FEWBIT_OK);
  for (int i = 0; i < STEPS; i++) {
    cr_assert_eq(dx[i], steps_derivative(steps_x[i]), "f'(%g) = %g", (double)steps_x[i], (double)dx[i]);
  }
  const float nan = NAN;
  cr_assert_eq(fewbit_activate(q, FEWBIT_FLOAT32, &nan, y, 1), FEWBIT_OK);
  cr_assert(isnan(y[0]));
  fewbit_quantizer_free(q);
}

/* Every piece may be the one that holds 0, the only one too; f is continuous. */
Test(fewbit, integrates_steps_from_any_piece) {
  const double levels[] = {-1, 0.25, 3};
  for (int shift = -3; shift <= 3; shift++) {
    const double breakpoints[] = {shift - 0.5, shift + 0.5};
    for (unsigned intervals = 1; intervals <= 3; intervals++) {
      fewbit_quantizer *q = NULL;
      cr_assert_eq(fewbit_quantizer_from_table("stepwise", breakpoints, NULL, intervals, levels, 3, &q, NULL),
                   FEWBIT_OK);
      float y = NAN;
      for (int i = -40; i <= 40; i++) { /* all exact in binary */
        const float x = (float)i / 8, before = y;
        cr_assert_eq(fewbit_activate(q, FEWBIT_FLOAT32, &x, &y, 1), FEWBIT_OK);
        const double middle = (double)x - 0.0625;
        unsigned piece = 0;
        while (piece + 1 < intervals && middle >= breakpoints[piece]) {
          piece++;
        }
        cr_assert(x != 0 || y == 0);
        cr_assert(isnan(before) || (double)(y - before) == 0.125 * levels[piece], "%d, %u: %g", shift, intervals,
                  (double)x);
      }
      fewbit_quantizer_free(q);
    }
  }
}

Test(fewbit, steps_in_16_bits_and_over_many) {
  enum { N = 200000 };
  fewbit_quantizer *q = make_steps();
  uint16_t *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
  uint8_t *codes = malloc(N);
  for (int i = 0; i < N; i++) {
    x[i] = fp16_from_float((float)(i % 96 - 48) / 8);
  }
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT16, x, y, codes, N), FEWBIT_OK);
  for (int i = 0; i < N; i++) {
    cr_assert_eq(fp16_to_float(y[i]), steps_value(fp16_to_float(x[i])));
  }
  free(x), free(y), free(codes);
  fewbit_quantizer_free(q);
}

/* Each step is a level already: no chance in it, and nothing of the quantizer that it was made from. */
Test(fewbit, steps_stay_exact_with_stochastic_rounding) {
  fewbit_quantizer *from = make_steps(), *q = NULL;
  float y[STEPS], dx[STEPS], one[STEPS];
  uint8_t codes[STEPS];
  cr_assert_eq(fewbit_quantizer_stochastic(from, &q, NULL), FEWBIT_OK);
  fewbit_quantizer_free(from);
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, steps_x, y, codes, STEPS, 5, 0), FEWBIT_OK);
  for (int i = 0; i < STEPS; i++) {
    one[i] = 1;
    cr_assert_eq(y[i], steps_value(steps_x[i]));
  }
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, one, dx, STEPS), FEWBIT_OK);
  for (int i = 0; i < STEPS; i++) {
    cr_assert_eq(dx[i], steps_derivative(steps_x[i]));
  }
  fewbit_quantizer_free(q);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* What loading a JSON of this function and error, "" for none, gives; *q NULL unless FEWBIT_OK. */
static int load(const char *in_file, const char *parameters, const char *error_member, const char *function,
                fewbit_quantizer **q, fewbit_error *error) {
  char *folder = folder_make(), text[512];
  const struct path path = path_join(folder, "q.json");
  const int size =
      snprintf(text, sizeof text,
               "{\"schema\": \"actscope.quantizer/1\", \"function\": \"%s\", \"parameters\": {%s}, \"bits\": 1, "
               "\"levels\": [0, 1], \"breakpoints\": [-1], \"codes\": [0, 1], \"weight\": \"histogram\"%s}",
               in_file, parameters, error_member);
  file_write(path.text, text, (size_t)size);
  const int status = fewbit_quantizer_load(path.text, function, 0, q, error);
  folder_remove(folder);
  return status;
}

/* Codes and gradients, but no f. */
static void expect_codes_only(fewbit_quantizer *q) {
  const float x[] = {-2, 3}, dy[] = {5, 7};
  float y[2] = {11, 13}, dx[2];
  uint16_t narrow[2] = {0, 0};
  uint8_t code = 0xa5;
  fewbit_quantizer *stochastic = NULL;
  fewbit_error error;
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, y, &code, 2), FEWBIT_ERROR_UNSUPPORTED);
  cr_assert_eq(fewbit_forward(q, FEWBIT_BFLOAT16, narrow, narrow, &code, 2), FEWBIT_ERROR_UNSUPPORTED);
  cr_assert_eq(fewbit_activate(q, FEWBIT_FLOAT32, x, y, 2), FEWBIT_ERROR_UNSUPPORTED);
  cr_assert(code == 0xa5 && y[0] == 11 && y[1] == 13, "something was written");
  cr_assert_not_null(strstr(fewbit_status_message(FEWBIT_ERROR_UNSUPPORTED), "it has no f"));
  cr_assert_eq(fewbit_quantizer_stochastic(q, &stochastic, &error), FEWBIT_ERROR_UNSUPPORTED);
  cr_assert_not_null(strstr(error.message, fewbit_quantizer_function(q)), "%s", error.message);
  cr_assert_null(stochastic);
  cr_assert_eq(fewbit_encode(q, FEWBIT_FLOAT32, x, &code, 2), FEWBIT_OK);
  cr_assert_eq(code, 2);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, &code, dy, dx, 2), FEWBIT_OK);
  cr_assert(dx[0] == 0 && dx[1] == 7);
}

Test(fewbit, loads_tables_of_functions_of_ones_own) {
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  for (int given = 0; given < 2; given++) {
    cr_assert_eq(load("snake", "", "", given ? "snake" : NULL, &q, &error), FEWBIT_OK, "%s", error.message);
    cr_assert_str_eq(fewbit_quantizer_function(q), "snake");
    cr_assert(isnan(fewbit_quantizer_error(q)));
    expect_codes_only(q);
    fewbit_quantizer_free(q);
  }
  cr_assert_eq(load("snake", "", ", \"error\": 0.25", NULL, &q, &error), FEWBIT_OK);
  cr_assert_eq(fewbit_quantizer_error(q), 0.25);
  fewbit_quantizer_free(q);
  cr_assert_eq(load("snake", "", "", "snale", &q, &error), FEWBIT_ERROR_INPUT);
  cr_assert_not_null(strstr(error.message, "is a table for snake, not for snale"), "%s", error.message);
  cr_assert_eq(load("", "", "", NULL, &q, &error), FEWBIT_ERROR_INPUT);
}

/* Steps are f' only where the file says that they are exact. */
Test(fewbit, loads_steps) {
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  float x = 2, y;
  for (int given = 0; given < 2; given++) {
    cr_assert_eq(load("stepwise", "", ", \"error\": 0.0", given ? "stepwise" : NULL, &q, &error), FEWBIT_OK, "%s",
                 error.message);
    cr_assert_eq(fewbit_activate(q, FEWBIT_FLOAT32, &x, &y, 1), FEWBIT_OK);
    cr_assert_eq(y, 2); /* 0 is above the breakpoint: f(x) = x there */
    fewbit_quantizer_free(q);
  }
  cr_assert_eq(load("stepwise", "", ", \"error\": 0.001", NULL, &q, &error), FEWBIT_OK);
  expect_codes_only(q);
  fewbit_quantizer_free(q);
  cr_assert_eq(load("stepwise", "", "", NULL, &q, &error), FEWBIT_OK);
  expect_codes_only(q);
  fewbit_quantizer_free(q);
}

/* The file's parameters count, whether or not the function is named; another function's table is refused. */
Test(fewbit, loads_tables_of_built_in_functions) {
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  float x = -1, y;
  for (int given = 0; given < 2; given++) {
    cr_assert_eq(load("elu", "\"alpha\": 2", "", given ? "elu" : NULL, &q, &error), FEWBIT_OK, "%s", error.message);
    cr_assert_eq(fewbit_activate(q, FEWBIT_FLOAT32, &x, &y, 1), FEWBIT_OK);
    cr_assert_float_eq((double)y, 2 * expm1(-1), 1e-6);
    cr_assert_gt(fewbit_quantizer_error(q), 0.01); /* measured */
    fewbit_quantizer_free(q);
  }
  cr_assert_eq(load("elu", "", "", "gelu", &q, &error), FEWBIT_ERROR_INPUT);
  cr_assert_not_null(strstr(error.message, "is a table for elu, not for gelu"), "%s", error.message);
  cr_assert_eq(load("elu", "\"alpha\": \"2\"", "", NULL, &q, &error), FEWBIT_ERROR_INPUT);
  cr_assert_eq(load("elu", "\"beta\": 2", "", NULL, &q, &error), FEWBIT_ERROR_INPUT);
  cr_assert_not_null(strstr(error.message, "q.json"), "%s", error.message);
  cr_assert_null(q);
}

Test(fewbit, has_no_steps_of_its_own) {
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  cr_assert_eq(fewbit_quantizer_builtin("stepwise", 2, &q, &error), FEWBIT_ERROR_USAGE);
  cr_assert_not_null(strstr(error.message, "give them as a table"), "%s", error.message);
  cr_assert_eq(fewbit_quantizer_fit(&(fewbit_options){.function = "stepwise", .bits = 2}, &q, &error),
               FEWBIT_ERROR_USAGE);
  cr_assert_null(q);
}
