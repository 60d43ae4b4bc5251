/* Activations: f' in float32 against double, gradients against finite differences, codes against libfewbit. */
#include "kernels/layers/activation.h"

#include "kernels/layers/fewbit_set.h"
#include "kernels/layers/float_exp.h"
#include "tests/layers/gradient_check.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct value *activation(struct tape *tape, struct value *const *leaves, const void *context) {
  return op_activation(tape, leaves[0], context);
}

/* ---- exact ------------------------------------------------------------------------------------------------------- */

/* e^x: 2 ulp, and the ends of its range. */
Test(float_exp, against_double) {
  for (int i = -6340; i < 6400; i++) {
    const double x = 0.0137 * i;
    const double expected = exp((double)(float)x);
    cr_assert_float_eq((double)float_exp((float)x), expected, 0x1p-22 * expected, "e^%g", x);
  }
  cr_assert_eq(float_exp(0), 1);
  cr_assert_lt(float_exp(-INFINITY), 2e-38f);
  cr_assert_gt(float_exp(INFINITY), 1e38f);
  cr_assert(isnan(float_exp(NAN)));
}

/* 5e-7: |f'| is at most 1.13 or so, and a dozen roundings of 2^-24 each go into it. What relu, tanh and sigmoid keep is y,
 * itself rounded, so that f' is off by 2 |y| 2^-24 more. */
static void check_derivative(const struct function *function, const float *x, size_t n) {
  float *y = malloc(n * sizeof *y), *one = malloc(n * sizeof *one), *dx = malloc(n * sizeof *dx);
  cr_assert(y && one && dx, "out of memory");
  for (size_t i = 0; i < n; i++) {
    one[i] = 1;
    dx[i] = 2;
  }
  cr_assert_eq(activation_forward(function, x, y, n, NULL), 0);
  activation_backward(function, activation_keeps_result(function->id) ? y : x, one, dx, 1, n);
  for (size_t i = 0; i < n; i++) {
    const double expected = 2 + function_derivative(function, (double)x[i]);
    cr_assert_float_eq((double)dx[i], expected, 7e-7, "%s'(%g) is %.9g, not %.9g", function_name(function),
                       (double)x[i], (double)dx[i] - 2, expected - 2);
  }
  activation_backward(function, activation_keeps_result(function->id) ? y : x, one, one, 0, n); /* in place */
  for (size_t i = 0; i < n; i++) {
    cr_assert_float_eq((double)one[i], function_derivative(function, (double)x[i]), 5e-7);
  }
  free(y);
  free(one);
  free(dx);
}

/* From tail to tail, and at the knots themselves, where the convention decides. */
Test(activation, derivatives) {
  static const float special[] = {0, -0.0f, 3, -3, 6, 1, -1, 0.5f, -0.5f, 20, -20, 1e30f, -1e30f, INFINITY, -INFINITY};
  enum { SPECIAL = sizeof special / sizeof *special, N = 20001 + SPECIAL };
  float *x = malloc(N * sizeof *x);
  cr_assert(x, "out of memory");
  for (int i = 0; i < N - SPECIAL; i++) {
    x[i] = (float)(i - 10000) * 0.0123f * (i % 7 ? 0.1f : 1);
  }
  memcpy(x + N - SPECIAL, special, sizeof special);
  for (unsigned id = 0; id < FUNCTION_STEPWISE; id++) {
    struct function function;
    function_init(&function, id);
    check_derivative(&function, x, N);
  }
  free(x);
}

/* Kinks lie at 0, 0.5, 1, 3, 6 or nowhere: inputs keep their distance from 0, and from the others by their range. */
Test(activation, gradients) {
  static const struct {
    const char *function;
    float low, high;
  } cases[] = {{"gelu", -3, 3},        {"gelu_tanh", -3, 3},    {"silu", -4, 4},        {"mish", -4, 4},
               {"softplus", -4, 4},    {"elu", -2, 2},          {"celu", -2, 2},        {"selu", -2, 2},
               {"hardswish", -2, 2},   {"logsigmoid", -4, 4},   {"sigmoid", -4, 4},     {"tanh", -2, 2},
               {"softsign", -3, 3},    {"tanhshrink", -2, 2},   {"relu", -1, 1},        {"relu6", -4, 5},
               {"leaky_relu", -2, 2},  {"hardtanh", -.9f, .9f}, {"hardsigmoid", -2, 2}, {"hardshrink", .6f, 2},
               {"softshrink", .6f, 2}, {"threshold", -1, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gradient_check(&(struct gradient_case){
        .name = cases[i].function,
        .leaves = {{.name = "x", .shape = {7, 5}, .dims = 2, .low = cases[i].low, .high = cases[i].high, .gap = 0.05f}},
        .build = activation,
        .context = cases[i].function});
  }
}

Test(activation, threads) {
  static const char *const functions[] = {"gelu", "tanh", "tanhshrink"};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    gradient_check_threads(&(struct gradient_case){.name = functions[i],
                                                   .leaves = {{.name = "x", .shape = {70001}, .dims = 1}},
                                                   .build = activation,
                                                   .context = functions[i]});
  }
}

/* ---- few-bit ----------------------------------------------------------------------------------------------------- */

enum { ROWS = 301, WIDTH = 67, COUNT = ROWS * WIDTH }; /* codes end within a byte */

struct setting {
  struct memory memory;
  struct tape tape;
  struct value x;
};

static void set_up(struct setting *s, bool dry, struct fewbit_set *set) {
  memset(s, 0, sizeof *s);
  memory_init(&s->memory, dry);
  tape_init(&s->tape, &s->memory);
  if (set) {
    s->tape.fewbit = fewbit_set_choice(set);
  }
  s->x = (struct value){.shape = {ROWS, WIDTH}, .dims = 2, .needs_gradient = true};
  s->x.tensor = tensor_new(&s->memory, MEMORY_ACTIVATION, COUNT * sizeof(float));
  if (s->x.tensor->data) {
    gradient_check_fill(tensor_floats(s->x.tensor), COUNT, -4, 4, 1);
  }
}

static void tear_down(struct setting *s) {
  tape_fini(&s->tape);
  tensor_drop(s->x.tensor);
  tensor_drop(s->x.gradient);
  cr_assert_eq(s->memory.live, 0);
}

static struct fewbit_set *make_set(unsigned bits, enum fewbit_method method, const char *functions) {
  struct fewbit_set *set = NULL;
  struct error err;
  cr_assert_eq(fewbit_set_new(&set, bits, method, functions, &err), 0, "%s", err.message);
  return set;
}

/* Bits and method; dx is level times dy, y the same bits as exact, codes as many bytes as they take. */
static void check_fewbit(const char *function, unsigned bits, enum fewbit_method method) {
  struct fewbit_set *set = make_set(bits, method, NULL);
  const struct fewbit_quantizer *quantizer = fewbit_set_find(set, function);
  struct setting s, exact;
  set_up(&s, false, set);
  set_up(&exact, false, NULL);
  struct value *y = op_activation(&s.tape, &s.x, function), *z = op_activation(&exact.tape, &exact.x, function);
  cr_assert(y && z && quantizer, "%s", s.tape.error.message);
  cr_assert_eq(memcmp(y->tensor->data, z->tensor->data, COUNT * sizeof(float)), 0, "%s: another y", function);
  cr_assert_eq(s.memory.saved, (COUNT * bits + 7) / 8, "%s: %zu saved bytes", function, s.memory.saved);
  cr_assert_eq(exact.memory.saved, COUNT * sizeof(float));
  cr_assert_eq(tape_backward(&s.tape, gradient_check_loss(&s.tape, y)), 0);
  static float dy[COUNT], expected[COUNT];
  static uint8_t codes[COUNT];
  gradient_check_weights(dy, COUNT);
  cr_assert_eq(fewbit_encode(quantizer, FEWBIT_FLOAT32, s.x.tensor->data, codes, COUNT), FEWBIT_OK);
  cr_assert_eq(fewbit_backward(quantizer, FEWBIT_FLOAT32, codes, dy, expected, COUNT), FEWBIT_OK);
  for (int i = 0; i < COUNT; i++) {
    cr_assert_eq(expected[i], tensor_floats(s.x.gradient)[i], "%s: another dx[%d]", function, i);
  }
  tear_down(&s);
  tear_down(&exact);
  fewbit_set_free(set);
}

Test(activation, few_bit) {
  for (unsigned bits = 1; bits <= 5; bits++) {
    check_fewbit("gelu", bits, FEWBIT_VALUE);
    check_fewbit("silu", bits, FEWBIT_INTERVAL);
  }
  check_fewbit("relu", 1, FEWBIT_VALUE);
}

/* Two uses of one x: the second gradient is added. */
Test(activation, few_bit_gradients_add_up) {
  struct fewbit_set *set = make_set(3, FEWBIT_VALUE, NULL);
  struct setting s, once;
  set_up(&s, false, set);
  set_up(&once, false, set);
  struct value *a = op_activation(&s.tape, &s.x, "gelu"), *b = op_activation(&s.tape, &s.x, "gelu");
  cr_assert_eq(tape_backward(&s.tape, gradient_check_loss(&s.tape, op_add(&s.tape, a, b))), 0);
  a = op_activation(&once.tape, &once.x, "gelu");
  cr_assert_eq(tape_backward(&once.tape, gradient_check_loss(&once.tape, a)), 0);
  for (int i = 0; i < COUNT; i++) {
    cr_assert_eq(tensor_floats(s.x.gradient)[i], 2 * tensor_floats(once.x.gradient)[i]);
  }
  tear_down(&s);
  tear_down(&once);
  fewbit_set_free(set);
}

/* relu' has two values: one bit is exact. */
Test(activation, one_bit_of_relu_is_exact) {
  struct fewbit_set *set = make_set(1, FEWBIT_VALUE, "relu");
  struct setting s, exact;
  set_up(&s, false, set);
  set_up(&exact, false, NULL);
  tape_backward(&s.tape, gradient_check_loss(&s.tape, op_activation(&s.tape, &s.x, "relu")));
  tape_backward(&exact.tape, gradient_check_loss(&exact.tape, op_activation(&exact.tape, &exact.x, "relu")));
  for (int i = 0; i < COUNT; i++) {
    cr_assert_eq(tensor_floats(s.x.gradient)[i], tensor_floats(exact.x.gradient)[i]);
  }
  tear_down(&s);
  tear_down(&exact);
  fewbit_set_free(set);
}

Test(activation, a_dry_meter_counts_the_same) {
  struct fewbit_set *set = make_set(3, FEWBIT_VALUE, NULL);
  struct setting settings[2];
  for (int dry = 0; dry < 2; dry++) {
    struct setting *s = &settings[dry];
    set_up(s, dry, set);
    struct value *y = op_activation(&s->tape, op_activation(&s->tape, &s->x, "gelu"), "silu");
    cr_assert_eq(s->memory.saved, 2 * ((COUNT * 3 + 7) / 8));
    cr_assert_eq(tape_backward(&s->tape, gradient_check_loss(&s->tape, y)), 0);
  }
  cr_assert_eq(settings[0].memory.peak, settings[1].memory.peak);
  cr_assert_eq(settings[0].memory.saved_peak, settings[1].memory.saved_peak);
  tear_down(&settings[0]);
  tear_down(&settings[1]);
  fewbit_set_free(set);
}

/* Autograd holds y of relu, tanh, sigmoid, else x; nothing if there is nothing to go back to. */
Test(activation, what_is_held) {
  struct setting s;
  set_up(&s, true, NULL);
  struct value *y = op_activation(&s.tape, &s.x, "relu");
  cr_assert_eq(s.x.tensor->holders, 0);
  cr_assert_eq(y->tensor->holders, 1);
  cr_assert_not_null(op_activation(&s.tape, y, "gelu"));
  cr_assert_eq(y->tensor->holders, 2);
  cr_assert_eq(s.memory.saved, COUNT * sizeof(float), "held twice, counted once");
  s.tape.inference = true;
  cr_assert_not_null(op_activation(&s.tape, &s.x, "gelu"));
  cr_assert_eq(s.x.tensor->holders, 0);
  tear_down(&s);
}

Test(activation, an_unknown_function) {
  struct setting s;
  set_up(&s, true, NULL);
  cr_assert_null(op_activation(&s.tape, &s.x, "gelo"));
  cr_assert_eq(s.tape.status, ERROR_USAGE);
  cr_assert(strstr(s.tape.error.message, "gelu"), "no suggestion: %s", s.tape.error.message);
  tear_down(&s);
}

/* ---- the set of quantizers --------------------------------------------------------------------------------------- */

Test(fewbit_set, gives_what_is_listed_and_always_the_same) {
  struct fewbit_set *set = make_set(2, FEWBIT_VALUE, "silu,gelu");
  const struct fewbit_quantizer *gelu = fewbit_set_find(set, "gelu");
  cr_assert_str_eq(fewbit_quantizer_function(gelu), "gelu");
  cr_assert_eq(fewbit_quantizer_bits(gelu), 2);
  cr_assert_eq(fewbit_set_find(set, "gelu"), gelu);
  cr_assert_not_null(fewbit_set_find(set, "silu"));
  cr_assert_null(fewbit_set_find(set, "mish"));
  cr_assert_null(fewbit_set_find(set, "no such"));
  cr_assert_eq(fewbit_set_status(set, NULL), 0);
  fewbit_set_free(set);
  set = make_set(0, FEWBIT_VALUE, NULL);
  cr_assert_null(fewbit_set_find(set, "gelu"));
  fewbit_set_free(set);
  fewbit_set_free(NULL);
}

Test(fewbit_set, refuses) {
  struct fewbit_set *set = NULL;
  struct error err;
  cr_assert_eq(fewbit_set_new(&set, 9, FEWBIT_VALUE, NULL, &err), ERROR_USAGE);
  cr_assert_eq(fewbit_set_new(&set, 3, 7, NULL, &err), ERROR_USAGE);
  cr_assert_eq(fewbit_set_new(&set, 3, FEWBIT_VALUE, "gelu,silo", &err), ERROR_USAGE);
  cr_assert(strstr(err.message, "silu"), "no suggestion: %s", err.message);
  cr_assert_null(set);
}
