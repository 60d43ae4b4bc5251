/* libfewbit as its callers see it: the header alone, on every instruction set that this CPU has.
 *
 * Tolerances. Codes and dx are compared exactly. y of bfloat16 and float16 is compared with f in double, rounded to
 * that type: both roundings, and 4 ulp of float32 before, move it by at most one unit of the narrow type. Stochastic
 * rounding: each draw's variance is known, (f' - low)(high - f'), so that the mean of N draws is within 5 sigma but
 * once in 1.7 million; the seeds are fixed, so the test never changes its mind. */
#include "actscope/fewbit.h"

#include "kernels/code.h"
#include "kernels/half.h"
#include "kernels/philox.h"

#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define VARIABLE "ACTSCOPE_FEWBIT_ISA"

enum { LONGEST = 300, HALF = LONGEST / 2, LONG = 131072 * 3 + 77 /* threads share it; its last part is odd */ };

static const char *const isas[] = {"ref", "avx2", "avx512", "neon"};
enum { ISAS = sizeof isas / sizeof *isas };

/* A quantizer on this instruction set; NULL if it is not to be had here. */
static fewbit_quantizer *make_on(const char *isa, const char *function, unsigned bits) {
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  setenv(VARIABLE, isa, 1);
  const int status = fewbit_quantizer_builtin(function, bits, &q, &error);
  unsetenv(VARIABLE);
  cr_assert(status == FEWBIT_OK || status == FEWBIT_ERROR_ISA, "%s", error.message);
  cr_assert_eq(status == FEWBIT_OK, q != NULL);
  if (q) {
    cr_assert_str_eq(fewbit_quantizer_isa(q), isa);
  } else {
    cr_log_info("not here: %s", error.message);
  }
  return q;
}

static fewbit_quantizer *make(const char *function, unsigned bits) {
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  cr_assert_eq(fewbit_quantizer_builtin(function, bits, &q, &error), FEWBIT_OK, "%s", error.message);
  return q;
}

static float *floats(size_t n) {
  float *x = malloc((n + 1) * sizeof *x);
  for (size_t i = 0; i < n; i++) {
    x[i] = 12.0f * ((float)(philox_at(i, 1, 2).word[0] >> 8) * 0x1p-24f) - 6.0f;
  }
  return x;
}

/* The interval by the definition: how many breakpoints are <= x. */
static unsigned code_by_definition(const fewbit_quantizer *q, float x) {
  unsigned count, interval = 0;
  const float *breakpoints = fewbit_quantizer_breakpoints(q, &count);
  for (unsigned i = 0; i < count; i++) {
    interval += x >= breakpoints[i];
  }
  return fewbit_quantizer_codes(q, NULL)[interval];
}

/* ---- what is made of quantizers ---------------------------------------------------------------------------------- */

Test(fewbit, tells_what_a_quantizer_is_made_of) {
  fewbit_quantizer *q = make("gelu", 3);
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
    fewbit_quantizer *q = make("silu", bits);
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

/* ---- forward and backward ---------------------------------------------------------------------------------------- */

static uint16_t narrow(enum fewbit_type type, float x) {
  return type == FEWBIT_BFLOAT16 ? bf16_from_float(x) : fp16_from_float(x);
}

static float widen(enum fewbit_type type, uint16_t x) {
  return type == FEWBIT_BFLOAT16 ? bf16_to_float(x) : fp16_to_float(x);
}

/* Codes are the definition's, in every type, at every length, and nothing is written beyond them. */
static void expect_codes(const fewbit_quantizer *q, enum fewbit_type type, const float *values, size_t n) {
  float x[LONGEST];
  uint16_t words[LONGEST];
  uint8_t codes[LONGEST], stream[LONGEST + 1], got[LONGEST + 1];
  for (size_t i = 0; i < n; i++) {
    words[i] = narrow(type, values[i]);
    x[i] = type == FEWBIT_FLOAT32 ? values[i] : widen(type, words[i]);
    codes[i] = (uint8_t)code_by_definition(q, x[i]);
  }
  const size_t size = fewbit_code_size(q, n);
  code_pack(codes, n, fewbit_quantizer_bits(q), stream);
  got[size] = stream[size] = 0xa5;
  const void *in = type == FEWBIT_FLOAT32 ? (const void *)x : words;
  cr_assert_eq(fewbit_encode(q, type, in, got, n), FEWBIT_OK);
  cr_assert_arr_eq(got, stream, size + 1, "%s, %zu elements of type %d", fewbit_quantizer_isa(q), n, (int)type);
}

Test(fewbit, encodes_as_defined_on_every_instruction_set) {
  float *x = floats(LONGEST);
  x[3] = NAN, x[7] = INFINITY, x[11] = -INFINITY, x[12] = 1e-42f, x[13] = -0.0f;
  for (unsigned bits = 1; bits <= 8; bits++) {
    for (int isa = 0; isa < ISAS; isa++) {
      fewbit_quantizer *q = make_on(isas[isa], "gelu", bits);
      for (size_t n = 0; q && n <= LONGEST; n += 1 + n / 40) {
        for (int type = FEWBIT_FLOAT32; type <= FEWBIT_FLOAT16; type++) {
          expect_codes(q, type, x, n);
        }
      }
      fewbit_quantizer_free(q);
    }
  }
  free(x);
}

/* Forward, in place and not, then backward, in place and not. */
static void expect_round_trip(const fewbit_quantizer *q, const float *x, size_t n, uint8_t *codes_of_ref,
                              float *dx_of_ref) {
  const size_t size = fewbit_code_size(q, n), bytes = n * sizeof *x;
  float *y = malloc(bytes), *same = malloc(bytes);
  uint8_t *codes = malloc(size + 1), *again = malloc(size + 1);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, y, codes, n), FEWBIT_OK);
  memcpy(same, x, bytes);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, same, same, again, n), FEWBIT_OK);
  cr_assert_arr_eq(y, same, bytes);
  cr_assert_arr_eq(codes, again, size);
  cr_assert_eq(fewbit_activate(q, FEWBIT_FLOAT32, x, same, n), FEWBIT_OK);
  cr_assert_arr_eq(y, same, bytes);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, x, y, n), FEWBIT_OK);
  memcpy(same, x, bytes);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, same, same, n), FEWBIT_OK);
  cr_assert_arr_eq(y, same, bytes);
  if (strcmp(fewbit_quantizer_isa(q), "ref") == 0) {
    memcpy(codes_of_ref, codes, size);
    memcpy(dx_of_ref, y, bytes);
  }
  cr_assert_arr_eq(codes, codes_of_ref, size, "%s", fewbit_quantizer_isa(q));
  cr_assert_arr_eq(y, dx_of_ref, bytes, "%s", fewbit_quantizer_isa(q));
  free(y), free(same), free(codes), free(again);
}

static void expect_round_trips(size_t n, unsigned bits) {
  float *x = floats(n), *dx = malloc((n + 1) * sizeof *dx);
  uint8_t *codes = malloc(n + 1);
  for (int isa = 0; isa < ISAS; isa++) { /* "ref" first */
    fewbit_quantizer *q = make_on(isas[isa], "silu", bits);
    if (q) {
      expect_round_trip(q, x, n, codes, dx);
    }
    fewbit_quantizer_free(q);
  }
  free(x), free(dx), free(codes);
}

Test(fewbit, goes_there_and_back_on_every_instruction_set) {
  for (unsigned bits = 1; bits <= 8; bits++) {
    expect_round_trips(1, bits);
    expect_round_trips(4095 + bits, bits);
  }
}

Test(fewbit, goes_there_and_back_with_threads) {
  expect_round_trips(LONG, 3);
}

Test(fewbit, goes_there_and_back_past_the_caches) {
  expect_round_trips(((size_t)8 << 20) / sizeof(float) + 13, 1);
}

/* y and dx of the 16-bit types, in place too. */
static void expect_narrow(const fewbit_quantizer *q, enum fewbit_type type, size_t n) {
  float *values = floats(n);
  uint16_t *x = malloc(2 * n), *y = malloc(2 * n), *same = malloc(2 * n);
  uint8_t *codes = malloc(n), *again = malloc(n);
  for (size_t i = 0; i < n; i++) {
    same[i] = x[i] = narrow(type, values[i]);
  }
  cr_assert_eq(fewbit_forward(q, type, x, y, codes, n), FEWBIT_OK);
  cr_assert_eq(fewbit_forward(q, type, same, same, again, n), FEWBIT_OK);
  cr_assert_arr_eq(y, same, 2 * n);
  cr_assert_arr_eq(codes, again, fewbit_code_size(q, n));
  for (size_t i = 0; i < n; i++) {
    const double exact = tanh((double)widen(type, x[i]));
    cr_assert_leq(abs((y[i] & 0x7fff) - (narrow(type, (float)exact) & 0x7fff)), 1, "tanh(%a) is %a",
                  (double)widen(type, x[i]), (double)widen(type, y[i]));
  }
  cr_assert_eq(fewbit_backward(q, type, codes, x, y, n), FEWBIT_OK);
  memcpy(same, x, 2 * n);
  cr_assert_eq(fewbit_backward(q, type, codes, same, same, n), FEWBIT_OK);
  cr_assert_arr_eq(y, same, 2 * n);
  for (size_t i = 0; i < n; i++) {
    const float level = fewbit_quantizer_levels(q, NULL)[code_get(codes, i, fewbit_quantizer_bits(q))];
    cr_assert_eq(y[i], narrow(type, level * widen(type, x[i])));
  }
  free(values), free(x), free(y), free(same), free(codes), free(again);
}

Test(fewbit, computes_bfloat16_and_float16) {
  for (int isa = 0; isa < ISAS; isa++) {
    fewbit_quantizer *q = make_on(isas[isa], "tanh", 3);
    for (size_t n = 1; q && n < 6000; n = n * 3 + 1) {
      expect_narrow(q, FEWBIT_BFLOAT16, n);
      expect_narrow(q, FEWBIT_FLOAT16, n);
    }
    if (q) {
      expect_narrow(q, FEWBIT_BFLOAT16, LONG);
    }
    fewbit_quantizer_free(q);
  }
}

/* The gradient of a piecewise-linear function is exact. */
Test(fewbit, relu_is_exact) {
  for (int isa = 0; isa < ISAS; isa++) {
    fewbit_quantizer *q = make_on(isas[isa], "relu", 1);
    if (!q) {
      continue;
    }
    float x[LONGEST], y[LONGEST], dx[LONGEST];
    uint8_t codes[LONGEST];
    for (int i = 0; i < LONGEST; i++) {
      x[i] = (float)(i - HALF) * 0.5f;
    }
    x[0] = 1e-45f, x[1] = -1e-45f, x[2] = -0.0f, x[3] = 0.0f, x[4] = INFINITY, x[5] = -INFINITY;
    cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, y, codes, LONGEST), FEWBIT_OK);
    cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, y, dx, LONGEST), FEWBIT_OK);
    for (int i = 0; i < LONGEST; i++) {
      cr_assert_eq(y[i], x[i] > 0 ? x[i] : 0, "relu(%a) is %a", (double)x[i], (double)y[i]);
      cr_assert_eq(dx[i], y[i]);
    }
    fewbit_quantizer_free(q);
  }
}

/* As the header says: NaN in interval 0, y NaN; infinities in the outer intervals; denormals are numbers. */
Test(fewbit, documents_nan_infinity_and_denormals) {
  for (int isa = 0; isa < ISAS; isa++) {
    fewbit_quantizer *q = make_on(isas[isa], "gelu", 4);
    if (!q) {
      continue;
    }
    unsigned intervals;
    const uint8_t *by_interval = fewbit_quantizer_codes(q, &intervals);
    const float x[] = {NAN, -NAN, INFINITY, -INFINITY, 1e-45f, -1e-45f, 0x1p-127f};
    enum { N = sizeof x / sizeof *x };
    float y[N], dx[N];
    uint8_t codes[N];
    cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, y, codes, N), FEWBIT_OK);
    cr_assert(isnan(y[0]) && isnan(y[1]));
    cr_assert_eq(y[2], INFINITY);
    cr_assert_eq(y[3], 0.0f);
    cr_assert_float_eq((double)y[6], 0x1p-128, 0x1p-148);
    cr_assert_eq(code_get(codes, 0, 4), by_interval[0]);
    cr_assert_eq(code_get(codes, 1, 4), by_interval[0]);
    cr_assert_eq(code_get(codes, 2, 4), by_interval[intervals - 1]);
    cr_assert_eq(code_get(codes, 3, 4), by_interval[0]);
    cr_assert_eq(code_get(codes, 4, 4), code_by_definition(q, 1e-45f));
    const float dy[N] = {NAN, 1, INFINITY, 1e-45f, 1, 1, 1};
    cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, dy, dx, N), FEWBIT_OK);
    cr_assert(isnan(dx[0]) && isfinite(dx[1]) && isinf(dx[2]));
    fewbit_quantizer_free(q);
  }
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

Test(fewbit, refuses_null_and_nonsense) {
  fewbit_quantizer *q = make("gelu", 3), *none = q;
  float x[8] = {0}, y[8];
  uint8_t codes[8];
  cr_assert_eq(fewbit_forward(NULL, FEWBIT_FLOAT32, x, y, codes, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, NULL, y, codes, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, NULL, codes, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, y, NULL, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_forward(q, (enum fewbit_type)3, x, y, codes, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, y, codes, SIZE_MAX), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_encode(q, FEWBIT_FLOAT32, x, NULL, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_activate(q, FEWBIT_FLOAT32, x, NULL, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_backward(NULL, FEWBIT_FLOAT32, codes, x, y, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, NULL, x, y, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, NULL, y, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, x, NULL, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x, y, codes, 8, 1, 0), FEWBIT_ERROR_UNSUPPORTED);
  cr_assert_eq(fewbit_quantizer_builtin(NULL, 3, &none, NULL), FEWBIT_ERROR_ARGUMENT);
  cr_assert_null(none);
  cr_assert_eq(fewbit_quantizer_builtin("gelu", 3, NULL, NULL), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_quantizer_fit(NULL, &none, NULL), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_quantizer_load(NULL, NULL, 0, &none, NULL), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_quantizer_from_table("gelu", NULL, NULL, 3, NULL, 2, &none, NULL), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_quantizer_stochastic(NULL, &none, NULL), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_quantizer_bits(NULL), 0);
  cr_assert_eq(fewbit_code_size(NULL, 8), 0);
  cr_assert_null(fewbit_quantizer_levels(NULL, NULL));
  fewbit_quantizer_free(NULL);
  fewbit_quantizer_free(q);
}

Test(fewbit, says_what_is_wrong) {
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  cr_assert_eq(fewbit_quantizer_builtin("gulu", 3, &q, &error), FEWBIT_ERROR_USAGE);
  cr_assert_not_null(strstr(error.message, "gulu"), "%s", error.message);
  cr_assert_eq(fewbit_quantizer_builtin("gelu", 9, &q, &error), FEWBIT_ERROR_USAGE);
  cr_assert_eq(fewbit_quantizer_builtin("gelu", 0, &q, &error), FEWBIT_ERROR_USAGE);
  cr_assert_lt(fewbit_quantizer_load("/nowhere/at all.json", NULL, 0, &q, &error), 0);
  cr_assert_not_null(strstr(error.message, "/nowhere/at all.json"), "%s", error.message);
  cr_assert_eq(
      fewbit_quantizer_fit(&(fewbit_options){.function = "gelu", .bits = 3, .weight = "triangular"}, &q, &error),
      FEWBIT_ERROR_USAGE);
  const fewbit_options alpha = {.function = "gelu", .bits = 3, .params = {{"alpha", 1}}};
  cr_assert_eq(fewbit_quantizer_fit(&alpha, &q, &error), FEWBIT_ERROR_USAGE);
  cr_assert_not_null(strstr(error.message, "alpha"), "%s", error.message);
  cr_assert_null(q);
  for (int status = FEWBIT_ERROR_ISA; status <= FEWBIT_OK; status++) {
    cr_assert_str_not_empty(fewbit_status_message(status));
  }
  cr_assert_str_eq(fewbit_status_message(1), "no such status");
  cr_assert_str_eq(fewbit_status_message(-1000), "no such status");
  cr_assert_str_not_empty(fewbit_version());
}

Test(fewbit, refuses_a_forced_instruction_set_that_is_not_there) {
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  setenv(VARIABLE, "altivec", 1);
  cr_assert_eq(fewbit_quantizer_builtin("gelu", 3, &q, &error), FEWBIT_ERROR_ISA);
  cr_assert_not_null(strstr(error.message, VARIABLE), "%s", error.message);
  cr_assert_not_null(strstr(error.message, "altivec"), "%s", error.message);
  cr_assert_null(q);
}

Test(fewbit, refuses_overlap_and_misalignment) {
  fewbit_quantizer *q = make("gelu", 3);
  float memory[64] = {0}, other[64] = {0};
  uint8_t codes[64], *bytes = (uint8_t *)memory;
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, memory, memory + 1, codes, 8), FEWBIT_ERROR_OVERLAP);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, memory + 7, memory, codes, 8), FEWBIT_ERROR_OVERLAP);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, memory + 8, memory, codes, 8), FEWBIT_OK);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, memory, other, bytes + 31, 8), FEWBIT_ERROR_OVERLAP);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, other, memory, bytes + 31, 8), FEWBIT_ERROR_OVERLAP);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, other, memory, bytes + 32, 8), FEWBIT_OK);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, bytes, memory + 8, memory + 9, 8), FEWBIT_ERROR_OVERLAP);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, bytes, other, memory, 8), FEWBIT_ERROR_OVERLAP);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, bytes, memory + 8, memory + 8, 8), FEWBIT_OK);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, bytes + 2, other, codes, 8), FEWBIT_ERROR_ALIGNMENT);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, other, bytes + 1, codes, 8), FEWBIT_ERROR_ALIGNMENT);
  cr_assert_eq(fewbit_forward(q, FEWBIT_BFLOAT16, bytes + 2, other, codes + 1, 8), FEWBIT_OK);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT16, bytes + 1, other, codes, 8), FEWBIT_ERROR_ALIGNMENT);
  fewbit_quantizer_free(q);
}

Test(fewbit, does_nothing_for_no_elements) {
  fewbit_quantizer *q = make("gelu", 3), *stochastic = NULL;
  cr_assert_eq(fewbit_quantizer_stochastic(q, &stochastic, NULL), FEWBIT_OK);
  cr_assert_eq(fewbit_code_size(q, 0), 0);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, NULL, NULL, NULL, 0), FEWBIT_OK);
  cr_assert_eq(fewbit_encode(q, FEWBIT_FLOAT16, NULL, NULL, 0), FEWBIT_OK);
  cr_assert_eq(fewbit_activate(q, FEWBIT_FLOAT16, NULL, NULL, 0), FEWBIT_OK);
  cr_assert_eq(fewbit_backward(q, FEWBIT_BFLOAT16, NULL, NULL, NULL, 0), FEWBIT_OK);
  cr_assert_eq(fewbit_forward_stochastic(stochastic, FEWBIT_FLOAT32, NULL, NULL, NULL, 0, 0, 0), FEWBIT_OK);
  fewbit_quantizer_free(q);
  fewbit_quantizer_free(stochastic);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

struct work {
  const fewbit_quantizer *q;
  const float *x;
  uint8_t *codes;
  float *dx;
  int status;
};

enum { WORK = 20000 };

static void *go(void *argument) {
  struct work *w = argument;
  for (int i = 0; i < 50 && w->status == FEWBIT_OK; i++) {
    w->status = fewbit_forward(w->q, FEWBIT_FLOAT32, w->x, w->dx, w->codes, WORK);
    if (w->status == FEWBIT_OK) {
      w->status = fewbit_backward(w->q, FEWBIT_FLOAT32, w->codes, w->x, w->dx, WORK);
    }
  }
  return NULL;
}

Test(fewbit, one_quantizer_serves_many_threads) {
  enum { THREADS = 4 };
  fewbit_quantizer *q = make("mish", 3);
  float *x = floats(WORK);
  struct work work[THREADS];
  pthread_t thread[THREADS];
  for (int i = 0; i < THREADS; i++) {
    work[i] = (struct work){q, x, malloc(WORK), malloc(WORK * sizeof(float)), FEWBIT_OK};
    cr_assert_eq(pthread_create(&thread[i], NULL, go, &work[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(thread[i], NULL);
    cr_assert_eq(work[i].status, FEWBIT_OK);
    cr_assert_arr_eq(work[i].dx, work[0].dx, WORK * sizeof(float));
  }
  for (int i = 0; i < THREADS; i++) {
    free(work[i].codes), free(work[i].dx);
  }
  free(x);
  fewbit_quantizer_free(q);
}

/* ---- stochastic rounding ----------------------------------------------------------------------------------------- */

/* The authors' own known answers (Random123, kat_vectors). */
Test(stochastic, philox_gives_the_published_numbers) {
  const struct philox zero = philox_at(0, 0, 0), ones = philox_at(UINT64_MAX, UINT64_MAX, UINT64_MAX);
  const struct philox pi =
      philox_at(UINT64_C(0x85a308d3243f6a88), UINT64_C(0x0370734413198a2e), UINT64_C(0x299f31d0a4093822));
  const uint32_t of_zero[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  const uint32_t of_ones[] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  const uint32_t of_pi[] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  cr_assert_arr_eq(zero.word, of_zero, sizeof of_zero);
  cr_assert_arr_eq(ones.word, of_ones, sizeof of_ones);
  cr_assert_arr_eq(pi.word, of_pi, sizeof of_pi);
}

static fewbit_quantizer *make_stochastic(const char *function, unsigned bits) {
  fewbit_quantizer *q = make(function, bits), *stochastic = NULL;
  fewbit_error error;
  cr_assert_eq(fewbit_quantizer_stochastic(q, &stochastic, &error), FEWBIT_OK, "%s", error.message);
  fewbit_quantizer_free(q);
  return stochastic;
}

static double gelu_derivative(double x) {
  return 0.5 * erfc(-x * M_SQRT1_2) + x * exp(-0.5 * x * x) / sqrt(2 * M_PI);
}

/* The same x many times, so that its mean level is a mean of independent draws. */
static void expect_unbiased(const fewbit_quantizer *q, float at) {
  enum { DRAWS = 200000 };
  static float x[DRAWS], dx[DRAWS], one[DRAWS];
  static uint8_t codes[DRAWS];
  unsigned count;
  const float *levels = fewbit_quantizer_levels(q, &count);
  for (int i = 0; i < DRAWS; i++) {
    x[i] = at, one[i] = 1;
  }
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x, NULL, codes, DRAWS, 20240607, 0), FEWBIT_OK);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, one, dx, DRAWS), FEWBIT_OK);
  double sum = 0, low = -INFINITY, high = INFINITY;
  const double exact = gelu_derivative((double)at);
  for (unsigned i = 0; i < count; i++) {
    if ((double)levels[i] <= exact) {
      low = fmax(low, (double)levels[i]);
    } else {
      high = fmin(high, (double)levels[i]);
    }
  }
  for (int i = 0; i < DRAWS; i++) {
    sum += (double)dx[i];
    cr_assert((double)dx[i] == low || (double)dx[i] == high, "%g is no neighbour of %g", (double)dx[i], exact);
  }
  const double sigma = sqrt((exact - low) * (high - exact) / DRAWS);
  cr_assert_float_eq(sum / DRAWS, exact, 5 * sigma + 1e-12, "at %g: mean %.6f, not %.6f, sigma %g", (double)at,
                     sum / DRAWS, exact, sigma);
}

Test(stochastic, is_unbiased_over_the_whole_range) {
  for (unsigned bits = 1; bits <= 4; bits++) {
    fewbit_quantizer *q = make_stochastic("gelu", bits);
    for (int i = -20; i <= 20; i++) { /* where the derivative is least and greatest too: at +-sqrt(2) */
      expect_unbiased(q, (float)i * 0.25f);
    }
    expect_unbiased(q, (float)M_SQRT2);
    expect_unbiased(q, -(float)M_SQRT2);
    fewbit_quantizer_free(q);
  }
}

Test(stochastic, levels_span_the_derivative_and_ascend) {
  for (unsigned bits = 1; bits <= 8; bits++) {
    fewbit_quantizer *q = make_stochastic("gelu", bits);
    unsigned count;
    const float *levels = fewbit_quantizer_levels(q, &count);
    cr_assert_eq(count, 1u << bits);
    cr_assert_leq((double)levels[0], gelu_derivative(-M_SQRT2));
    cr_assert_geq((double)levels[count - 1], gelu_derivative(M_SQRT2));
    for (unsigned i = 1; i < count; i++) {
      cr_assert_lt(levels[i - 1], levels[i]);
    }
    fewbit_quantizer_free(q);
  }
}

/* The codes depend on seed and number only: not on the instruction set, nor on how an array is cut. */
Test(stochastic, is_the_same_however_it_is_run) {
  fewbit_quantizer *q = make_stochastic("silu", 3);
  float *x = floats(LONG), *y = malloc(LONG * sizeof *y);
  const size_t size = fewbit_code_size(q, LONG);
  uint8_t *codes = malloc(size), *again = malloc(size);
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x, y, codes, LONG, 7, 1000), FEWBIT_OK);
  const size_t cut = 8 * 1237;
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x, y, again, cut, 7, 1000), FEWBIT_OK);
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x + cut, y + cut, again + fewbit_code_size(q, cut),
                                         LONG - cut, 7, 1000 + cut),
               FEWBIT_OK);
  cr_assert_arr_eq(codes, again, size);
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x, y, again, LONG, 8, 1000), FEWBIT_OK);
  cr_assert_neq(memcmp(codes, again, size), 0);
  setenv(VARIABLE, "ref", 1);
  fewbit_quantizer *ref = make_stochastic("silu", 3);
  cr_assert_eq(fewbit_forward_stochastic(ref, FEWBIT_FLOAT32, x, NULL, again, LONG, 7, 1000), FEWBIT_OK);
  cr_assert_arr_eq(codes, again, size);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, y, codes, LONG), FEWBIT_ERROR_UNSUPPORTED);
  fewbit_quantizer_free(q);
  fewbit_quantizer_free(ref);
  free(x), free(y), free(codes), free(again);
}

/* Where f' is a level itself, chance has no say. */
Test(stochastic, leaves_exact_gradients_exact) {
  fewbit_quantizer *q = make_stochastic("relu", 1);
  float x[LONGEST], dx[LONGEST];
  uint8_t codes[LONGEST];
  for (int i = 0; i < LONGEST; i++) {
    x[i] = (float)(i - HALF);
  }
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x, NULL, codes, LONGEST, 3, 0), FEWBIT_OK);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, x, dx, LONGEST), FEWBIT_OK);
  for (int i = 0; i < LONGEST; i++) {
    cr_assert_eq(dx[i], x[i] > 0 ? x[i] : 0);
  }
  fewbit_quantizer_free(q);
}
