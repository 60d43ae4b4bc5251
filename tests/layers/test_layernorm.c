/* layernorm and rmsnorm: the same shapes, the same traps. */
#include "kernels/layers/layernorm.h"
#include "kernels/layers/rmsnorm.h"

#include "tests/layers/gradient_check.h"

#include <criterion/criterion.h>
#include <math.h>

static const float epsilon = 1e-5f;

static struct value *layernorm(struct tape *tape, struct value *const *leaves, const void *context) {
  (void)context;
  return op_layernorm(tape, leaves[0], leaves[1], leaves[2], epsilon);
}

static struct value *layernorm_plain(struct tape *tape, struct value *const *leaves, const void *context) {
  (void)context;
  return op_layernorm(tape, leaves[0], NULL, NULL, epsilon);
}

static struct value *rmsnorm(struct tape *tape, struct value *const *leaves, const void *context) {
  (void)context;
  return op_rmsnorm(tape, leaves[0], leaves[1], epsilon);
}

static struct value *rmsnorm_plain(struct tape *tape, struct value *const *leaves, const void *context) {
  (void)context;
  return op_rmsnorm(tape, leaves[0], NULL, epsilon);
}

#define NORM(BUILD, ROWS, WIDTH)                                                                                       \
  &(struct gradient_case) {                                                                                            \
    .name = #BUILD " " #ROWS " x " #WIDTH,                                                                             \
    .leaves = {{.name = "x", .shape = {ROWS, WIDTH}, .dims = 2, .low = -2, .high = 2},                                 \
               {.name = "weight", .shape = {WIDTH}, .dims = 1, .parameter = true, .low = 0.5f, .high = 1.5f},          \
               {.name = "bias", .shape = {WIDTH}, .dims = 1, .parameter = true}},                                      \
    .build = BUILD                                                                                                     \
  }
#define NORM_NO_BIAS(BUILD, ROWS, WIDTH)                                                                               \
  &(struct gradient_case) {                                                                                            \
    .name = #BUILD " " #ROWS " x " #WIDTH,                                                                             \
    .leaves = {{.name = "x", .shape = {ROWS, WIDTH}, .dims = 2, .low = -2, .high = 2},                                 \
               {.name = "weight", .shape = {WIDTH}, .dims = 1, .parameter = true, .low = 0.5f, .high = 1.5f}},         \
    .build = BUILD                                                                                                     \
  }
#define NORM_PLAIN(BUILD, ROWS, WIDTH)                                                                                 \
  &(struct gradient_case) {                                                                                            \
    .name = #BUILD " " #ROWS " x " #WIDTH,                                                                             \
    .leaves = {{.name = "x", .shape = {ROWS, WIDTH}, .dims = 2, .low = -2, .high = 2}}, .build = BUILD                 \
  }

Test(layernorm, gradients) {
  gradient_check(NORM(layernorm, 1, 4));
  gradient_check(NORM(layernorm, 5, 7));
  gradient_check(NORM(layernorm, 3, 65));
  gradient_check(NORM_PLAIN(layernorm_plain, 3, 11));
}

Test(layernorm, threads) {
  gradient_check_threads(NORM(layernorm, 301, 130));
}

Test(rmsnorm, gradients) {
  gradient_check(NORM_NO_BIAS(rmsnorm, 1, 2));
  gradient_check(NORM_NO_BIAS(rmsnorm, 5, 7));
  gradient_check(NORM_NO_BIAS(rmsnorm, 3, 65));
  gradient_check(NORM_PLAIN(rmsnorm_plain, 3, 11));
}

Test(rmsnorm, threads) {
  gradient_check_threads(NORM_NO_BIAS(rmsnorm, 301, 130));
}

/* Of numbers far from 0, in double: x near 100 has 24 bits, of which 17 are left of x - mean; so has the result. */
Test(layernorm, far_from_zero) {
  enum { WIDTH = 257 };
  float x[WIDTH], y[WIDTH], mean, rstd;
  gradient_check_fill(x, WIDTH, 99, 101, 1);
  layernorm_forward(&(struct layernorm_shape){1, WIDTH}, x, NULL, NULL, 0, y, &mean, &rstd);
  double sum = 0, squares = 0;
  for (int i = 0; i < WIDTH; i++) {
    sum += (double)x[i] / WIDTH;
  }
  for (int i = 0; i < WIDTH; i++) {
    squares += ((double)x[i] - sum) * ((double)x[i] - sum) / WIDTH;
  }
  for (int i = 0; i < WIDTH; i++) {
    const double expected = ((double)x[i] - sum) / sqrt(squares);
    cr_assert_float_eq((double)y[i], expected, 1e-4, "y[%d] is %g, not %g", i, (double)y[i], expected);
  }
}

/* A row of equal numbers has no variance: epsilon stands in, and nothing becomes infinite. */
Test(layernorm, a_constant_row) {
  float x[5] = {3, 3, 3, 3, 3}, y[5], mean, rstd;
  layernorm_forward(&(struct layernorm_shape){1, 5}, x, NULL, NULL, epsilon, y, &mean, &rstd);
  for (int i = 0; i < 5; i++) {
    cr_assert_eq(y[i], 0);
  }
  cr_assert_eq(mean, 3);
  cr_assert_float_eq(rstd, 1 / sqrtf(epsilon), 1e-2);
}

/* Two floats a row for mean and rstd, and x. */
Test(layernorm, holds_its_input_mean_and_rstd) {
  struct memory memory;
  struct tape tape;
  memory_init(&memory, true);
  tape_init(&tape, &memory);
  struct value *x = tape_value(&tape, NULL, (size_t[]){6, 10}, 2);
  x->needs_gradient = true;
  cr_assert_not_null(op_layernorm(&tape, x, NULL, NULL, epsilon));
  cr_assert_eq(memory.saved, (60 + 12) * sizeof(float));
  cr_assert_not_null(op_rmsnorm(&tape, x, NULL, epsilon));
  cr_assert_eq(memory.saved, (60 + 12 + 6) * sizeof(float), "x counts once");
  tape_fini(&tape);
}
