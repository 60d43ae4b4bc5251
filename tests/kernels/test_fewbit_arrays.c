/* libfewbit's forward and backward over arrays: the header alone, on every instruction set that this CPU has.
 *
 * Tolerances. Codes and dx are compared exactly. y of bfloat16 and float16 is compared with f in double, rounded to
 * that type: both roundings, and 4 ulp of float32 before, move it by at most one unit of the narrow type. */
#include "kernels/code.h"
#include "kernels/half.h"
#include "tests/kernels/fewbit_support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 300, HALF = LONGEST / 2, LONG = 131072 * 3 + 77 /* threads share it; its last part is odd */ };

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
    codes[i] = (uint8_t)fewbit_code_of(q, x[i]);
  }
  const size_t size = fewbit_code_size(q, n);
  code_pack(codes, n, fewbit_quantizer_bits(q), stream);
  got[size] = stream[size] = 0xa5;
  const void *in = type == FEWBIT_FLOAT32 ? (const void *)x : words;
  cr_assert_eq(fewbit_encode(q, type, in, got, n), FEWBIT_OK);
  cr_assert_arr_eq(got, stream, size + 1, "%s, %zu elements of type %d", fewbit_quantizer_isa(q), n, (int)type);
}

Test(fewbit, encodes_as_defined_on_every_instruction_set) {
  float *x = fewbit_floats(LONGEST);
  x[3] = NAN, x[7] = INFINITY, x[11] = -INFINITY, x[12] = 1e-42f, x[13] = -0.0f;
  for (unsigned bits = 1; bits <= 8; bits++) {
    for (int isa = 0; isa < FEWBIT_ISAS; isa++) {
      fewbit_quantizer *q = fewbit_make_on(fewbit_isas[isa], "gelu", bits);
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
  float *x = fewbit_floats(n), *dx = malloc((n + 1) * sizeof *dx);
  uint8_t *codes = malloc(n + 1);
  for (int isa = 0; isa < FEWBIT_ISAS; isa++) { /* "ref" first */
    fewbit_quantizer *q = fewbit_make_on(fewbit_isas[isa], "silu", bits);
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
  float *values = fewbit_floats(n);
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
  for (int isa = 0; isa < FEWBIT_ISAS; isa++) {
    fewbit_quantizer *q = fewbit_make_on(fewbit_isas[isa], "tanh", 3);
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
  for (int isa = 0; isa < FEWBIT_ISAS; isa++) {
    fewbit_quantizer *q = fewbit_make_on(fewbit_isas[isa], "relu", 1);
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
  for (int isa = 0; isa < FEWBIT_ISAS; isa++) {
    fewbit_quantizer *q = fewbit_make_on(fewbit_isas[isa], "gelu", 4);
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
    cr_assert_eq(code_get(codes, 4, 4), fewbit_code_of(q, 1e-45f));
    const float dy[N] = {NAN, 1, INFINITY, 1e-45f, 1, 1, 1};
    cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, dy, dx, N), FEWBIT_OK);
    cr_assert(isnan(dx[0]) && isfinite(dx[1]) && isinf(dx[2]));
    fewbit_quantizer_free(q);
  }
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
  fewbit_quantizer *q = fewbit_make("mish", 3);
  float *x = fewbit_floats(WORK);
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
