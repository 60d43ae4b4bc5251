/* The exact forward of every instruction set against the double reference: every 1021st of the 2^32 floats, and those
 * around the joints of the piecewise polynomials, each one.
 *
 * The bounds are what bench/accuracy.py finds over all floats, rounded up to the next quarter or one more. For
 * comparison, torch 1.13's [in brackets] over the range where its kernel has not given up a tail; ours give up none. */
#include "kernels/dispatch.h"
#include "kernels/vmath_params.h"
#include "tests/kernels/accuracy.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHUNK = 4096, STRIDE = 1021 };

static const double bounds[FUNCTION_COUNT] = {
    [FUNCTION_GELU] = 4.0,         /* [10.1, x > -1] */
    [FUNCTION_GELU_TANH] = 2.75,   /* [2.9, x > -1] */
    [FUNCTION_SILU] = 2.25,        /* [2.41, x > -87] */
    [FUNCTION_MISH] = 3.0,         /* [3.04, x > -87] */
    [FUNCTION_SOFTPLUS] = 1.5,     /* [1.5] */
    [FUNCTION_ELU] = 1.0,          /* [0.76, x < -1; near 0 all digits are wrong] */
    [FUNCTION_CELU] = 1.0,         /* as elu */
    [FUNCTION_SELU] = 2.0,         /* [1.31, x < -1; near 0 all digits are wrong] */
    [FUNCTION_HARDSWISH] = 2.0,    /* [1.9; overflows from 5.7e37] */
    [FUNCTION_LOGSIGMOID] = 1.5,   /* [1.5] */
    [FUNCTION_SIGMOID] = 2.25,     /* [2.49, x > -87] */
    [FUNCTION_TANH] = 1.0,         /* [1.0] */
    [FUNCTION_SOFTSIGN] = 1.5,     /* [1.5; NaN at the infinities] */
    [FUNCTION_TANHSHRINK] = 3.5,   /* [2.01, |x| > 1, where ours are within 1.5; near 0 all digits are wrong] */
    [FUNCTION_LEAKY_RELU] = 1.0,   /* [1.0]: the slope is rounded to float32 */
    [FUNCTION_HARDSIGMOID] = 1.25, /* [1.25] */
    [FUNCTION_SOFTSHRINK] = 0.5,   /* [0.5] */
};

/* The kernels of this machine but for the reference's, which rounds function_value() once. */
static size_t vector_kernels(const struct kernels *found[4]) {
  size_t count = 0;
  for (const struct kernels *const *built = dispatch_built(); *built; built++) {
    if (strcmp((*built)->name, "ref") != 0 && !dispatch_supported(*built)) {
      fprintf(stderr, "SKIPPED: NOT TESTED: no %s on this CPU\n", (*built)->name); /* the others are */
    } else if (strcmp((*built)->name, "ref") != 0) {
      found[count++] = *built;
    }
  }
  return count;
}

static void run(const struct kernels *kernels, const struct function *function, const float *x, float *y, size_t n) {
  float params[VMATH_PARAMS];
  vmath_params(function->id, function->params, params);
  kernels->activate[function->id](x, y, n, params, STORE_CACHED);
}

struct sweep {
  struct function function;
  const struct kernels *kernels[4];
  struct accuracy worst[4];
  size_t count;
};

static struct sweep sweep_begin(enum function_id id) {
  struct sweep sweep = {.count = 0};
  function_init(&sweep.function, id);
  sweep.count = vector_kernels(sweep.kernels);
  return sweep;
}

static void sweep_floats(struct sweep *sweep, uint64_t first, uint64_t stride, double low, double high) {
  static float x[CHUNK], y[CHUNK];
  static double real[CHUNK];
  accuracy_floats(x, CHUNK, first, stride);
  accuracy_reference(&sweep->function, x, real, CHUNK);
  for (size_t i = 0; i < sweep->count; i++) {
    run(sweep->kernels[i], &sweep->function, x, y, CHUNK);
    accuracy_compare(&sweep->worst[i], x, real, y, CHUNK, low, high);
  }
}

static void sweep_end(const struct sweep *sweep, double bound) {
  for (size_t i = 0; i < sweep->count; i++) {
    const struct accuracy *worst = &sweep->worst[i];
    cr_expect_eq(worst->wrong, 0, "%s, %s: not as finite as it should be at %a", function_name(&sweep->function),
                 sweep->kernels[i]->name, worst->wrong_x);
    cr_expect_leq(worst->ulp, bound, "%s, %s: %.3f ulp at %a, more than %.2f", function_name(&sweep->function),
                  sweep->kernels[i]->name, worst->ulp, worst->ulp_x, bound);
  }
}

static void sweep_everywhere(struct sweep *sweep, double low, double high) {
  for (uint64_t first = 0; first < UINT64_C(1) << 32; first += (uint64_t)CHUNK * STRIDE) {
    sweep_floats(sweep, first, STRIDE, low, high);
  }
}

#define SWEEP(ID, name)                                                                                                \
  Test(vmath_accuracy, name) {                                                                                         \
    struct sweep sweep = sweep_begin(ID);                                                                              \
    sweep_everywhere(&sweep, -INFINITY, INFINITY);                                                                     \
    sweep_end(&sweep, bounds[ID]);                                                                                     \
  }

VMATH_FUNCTIONS(SWEEP)

/* Joints lie where |x| + first is a power of two times n / 8, n / 2 or so, or where |x| is an odd multiple of 1/16: all
 * floats within 2048 of any such |x| up to 16. */
#define SWEEP_JOINTS(ID, name)                                                                                         \
  Test(vmath_joints, name) {                                                                                           \
    struct sweep sweep = sweep_begin(ID);                                                                              \
    for (int i = 0; i <= 256; i++) {                                                                                   \
      for (int sign = 0; sign < 2; sign++) {                                                                           \
        const float centre = sign ? -(float)i / 16 : (float)i / 16;                                                    \
        uint32_t bits;                                                                                                 \
        memcpy(&bits, &centre, sizeof bits);                                                                           \
        sweep_floats(&sweep, bits - (i > 0) * CHUNK / 2, 1, -INFINITY, INFINITY);                                      \
      }                                                                                                                \
    }                                                                                                                  \
    sweep_end(&sweep, bounds[ID]);                                                                                     \
  }

VMATH_FUNCTIONS(SWEEP_JOINTS)

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static struct sweep sweep_of(enum function_id id, double first, double second) {
  struct sweep sweep = sweep_begin(id);
  sweep.function.params[0] = first;
  sweep.function.params[1] = second;
  return sweep;
}

static void check_params(enum function_id id, double first, double second, double bound) {
  struct sweep sweep = sweep_of(id, first, second);
  sweep_everywhere(&sweep, -INFINITY, INFINITY);
  sweep_end(&sweep, bound);
}

/* Parameters are exact as floats, so that the reference has the same. A product with them is rounded: half an ulp more,
 * and where it is an exponent, half an ulp of it, which for softplus grows with |beta x|: 20 and less at 20. */
Test(vmath_params, are_used) {
  check_params(FUNCTION_ELU, 0.3125, 0, 1.75);
  check_params(FUNCTION_CELU, 2.5, 0, 2.75);
  check_params(FUNCTION_CELU, 0.375, 0, 2.75);
  check_params(FUNCTION_LEAKY_RELU, 0.1875, 0, 0.5);
  check_params(FUNCTION_HARDTANH, -0.75, 2.5, 0);
  check_params(FUNCTION_HARDSHRINK, 1.25, 0, 0);
  check_params(FUNCTION_SOFTSHRINK, 1.25, 0, 0.5);
  check_params(FUNCTION_THRESHOLD, 0.625, -3.5, 0);
}

Test(vmath_params, softplus) {
  struct sweep sweep = sweep_of(FUNCTION_SOFTPLUS, 2.5, 3);
  sweep_everywhere(&sweep, -8, INFINITY); /* beta x >= -20 */
  sweep_end(&sweep, 20);
}

/* ---- special values ---------------------------------------------------------------------------------------------- */

struct special {
  enum function_id id;
  float at_minus_infinity, at_infinity;
  bool odd_at_zero; /* f(-0) is -0 */
};

static const struct special specials[] = {
    {FUNCTION_GELU, 0, INFINITY, true},
    {FUNCTION_GELU_TANH, 0, INFINITY, true},
    {FUNCTION_SILU, 0, INFINITY, true},
    {FUNCTION_MISH, 0, INFINITY, true},
    {FUNCTION_SOFTPLUS, 0, INFINITY, false},
    {FUNCTION_ELU, -1, INFINITY, true},
    {FUNCTION_CELU, -1, INFINITY, true},
    {FUNCTION_SELU, -1.7580993408473766f, INFINITY, true},
    {FUNCTION_HARDSWISH, 0, INFINITY, true},
    {FUNCTION_LOGSIGMOID, -INFINITY, 0, false},
    {FUNCTION_SIGMOID, 0, 1, false},
    {FUNCTION_TANH, -1, 1, true},
    {FUNCTION_SOFTSIGN, -1, 1, true},
    {FUNCTION_TANHSHRINK, -INFINITY, INFINITY, true},
    {FUNCTION_RELU, 0, INFINITY, true},
    {FUNCTION_RELU6, 0, 6, true},
    {FUNCTION_LEAKY_RELU, -INFINITY, INFINITY, true},
    {FUNCTION_HARDTANH, -1, 1, true},
    {FUNCTION_HARDSIGMOID, 0, 1, false},
    {FUNCTION_HARDSHRINK, -INFINITY, INFINITY, false},
    {FUNCTION_SOFTSHRINK, -INFINITY, INFINITY, false},
    {FUNCTION_THRESHOLD, 0, INFINITY, false},
};

Test(vmath_special, values) {
  const struct kernels *kernels[4];
  const size_t count = vector_kernels(kernels);
  const float x[] = {NAN, -NAN, -INFINITY, INFINITY, -0.0f, 0.0f, -FLT_MAX};
  float y[sizeof x / sizeof *x];
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < sizeof specials / sizeof *specials; j++) {
      const struct special *special = &specials[j];
      struct function function;
      function_init(&function, special->id);
      run(kernels[i], &function, x, y, sizeof x / sizeof *x);
      const char *who = function_name(&function);
      cr_expect(isnan(y[0]) && isnan(y[1]), "%s of NaN", who);
      cr_expect_eq(y[2], special->at_minus_infinity, "%s(-infinity) = %g", who, (double)y[2]);
      cr_expect_eq(y[3], special->at_infinity, "%s(infinity) = %g", who, (double)y[3]);
      cr_expect(!special->odd_at_zero || (y[4] == 0 && signbit(y[4])), "%s(-0) = %g", who, (double)y[4]);
      cr_expect(!special->odd_at_zero || (y[5] == 0 && !signbit(y[5])), "%s(0) = %g", who, (double)y[5]);
      cr_expect(isinf(special->at_minus_infinity) || y[6] == y[2], "%s(-FLT_MAX) = %g", who, (double)y[6]);
    }
  }
}
