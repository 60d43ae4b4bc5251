#include "kernels/layers/batchnorm2d.h"

#include "tests/layers/gradient_check.h"
#include "tests/layers/tape_fixture.h"

#include <criterion/criterion.h>
#include <math.h>

static const float epsilon = 1e-5f;

/* The running statistics are new for each run: the batch's must not depend on them. */
static struct value *normalise(struct tape *tape, struct value *const *leaves, const void *context) {
  (void)context;
  const size_t channels = leaves[0]->shape[1];
  struct tensor *running = tensor_new(tape->memory, MEMORY_PARAMETER, 2 * channels * sizeof(float));
  for (size_t i = 0; running->data && i < 2 * channels; i++) {
    tensor_floats(running)[i] = 0.25f * (float)(i + 1);
  }
  struct value *y = op_batchnorm2d(tape, leaves[0], leaves[1], leaves[2], running, epsilon);
  tensor_drop(running);
  return y;
}

#define NORM(BATCH, CHANNELS, HEIGHT, WIDTH, EVALUATION)                                                               \
  &(struct gradient_case) {                                                                                            \
    .name = "batchnorm " #BATCH "x" #CHANNELS "x" #HEIGHT "x" #WIDTH,                                                  \
    .leaves = {{.name = "x", .shape = {BATCH, CHANNELS, HEIGHT, WIDTH}, .dims = 4, .low = -2, .high = 3},              \
               {.name = "weight", .shape = {CHANNELS}, .dims = 1, .parameter = true, .low = 0.5f, .high = 1.5f},       \
               {.name = "bias", .shape = {CHANNELS}, .dims = 1, .parameter = true}},                                   \
    .build = normalise, .evaluation = EVALUATION                                                                       \
  }

Test(batchnorm2d, gradients) {
  gradient_check(NORM(4, 3, 2, 2, false));
  gradient_check(NORM(3, 5, 7, 3, false));
  gradient_check(NORM(1, 2, 5, 1, false));
  gradient_check(NORM(11, 1, 1, 1, false));
}

Test(batchnorm2d, gradients_in_evaluation) {
  gradient_check(NORM(4, 3, 2, 2, true));
  gradient_check(NORM(1, 2, 5, 3, true));
}

Test(batchnorm2d, threads) {
  gradient_check_threads(NORM(7, 37, 19, 13, false));
}

/* Of numbers far from 0: the two passes in double keep what E x^2 - (E x)^2 in float32 would lose. */
Test(batchnorm2d, statistics) {
  enum { COUNT = 3 * 50 };
  const struct batchnorm2d norm = {3, 1, 50, 0};
  float x[COUNT], mean, rstd, running[2] = {10, 20};
  gradient_check_fill(x, COUNT, 999, 1001, 3);
  double sum = 0, squares = 0;
  for (int i = 0; i < COUNT; i++) {
    sum += (double)x[i] / COUNT;
  }
  for (int i = 0; i < COUNT; i++) {
    squares += ((double)x[i] - sum) * ((double)x[i] - sum);
  }
  batchnorm2d_measure(&norm, x, &mean, &rstd, running, 0.1f);
  cr_assert_float_eq((double)mean, sum, 1e-4);
  cr_assert_float_eq((double)rstd, 1 / sqrt(squares / COUNT), 1e-6);
  cr_assert_float_eq((double)running[0], 0.9 * 10 + 0.1 * sum, 1e-4);
  cr_assert_float_eq((double)running[1], 0.9 * 20 + 0.1 * squares / (COUNT - 1), 1e-5, "the unbiased variance");
}

/* A channel that is constant has no variance: epsilon stands in for it. */
Test(batchnorm2d, a_constant_channel) {
  const struct batchnorm2d norm = {2, 1, 3, epsilon};
  const float x[6] = {7, 7, 7, 7, 7, 7}, weight = 2, bias = -1;
  float y[6], mean, rstd;
  batchnorm2d_measure(&norm, x, &mean, &rstd, NULL, 0);
  batchnorm2d_forward(&norm, x, &mean, &rstd, &weight, &bias, y);
  for (int i = 0; i < 6; i++) {
    cr_assert_eq(y[i], -1);
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct fixture {
  struct tape_fixture on;
  struct value *x, *weight, *bias;
  struct tensor *running;
};

static void setup(struct fixture *f, const size_t shape[4]) {
  tape_fixture_open(&f->on, false);
  f->x = tape_fixture_leaf(&f->on, MEMORY_ACTIVATION, shape, 4);
  f->weight = tape_fixture_leaf(&f->on, MEMORY_PARAMETER, shape + 1, 1);
  f->bias = tape_fixture_leaf(&f->on, MEMORY_PARAMETER, shape + 1, 1);
  f->running = tensor_new(&f->on.memory, MEMORY_PARAMETER, 2 * shape[1] * sizeof(float));
  cr_assert(f->running);
  gradient_check_fill(tensor_floats(f->x->tensor), value_count(f->x), -1, 5, 1);
}

static struct value *apply(struct fixture *f) {
  return op_batchnorm2d(&f->on.tape, f->x, f->weight, f->bias, f->running, epsilon);
}

static void teardown(struct fixture *f) {
  tensor_drop(f->running);
  tape_fixture_close(&f->on);
}

Test(batchnorm2d, training_moves_the_running_statistics_and_evaluation_does_not) {
  struct fixture f;
  setup(&f, (size_t[]){4, 2, 3, 3});
  cr_assert(apply(&f));
  const float mean = tensor_floats(f.running)[0], variance = tensor_floats(f.running)[2];
  cr_assert(mean > 0.1f && mean < 0.3f, "a tenth of a mean near 2, not %g", (double)mean);
  cr_assert(variance > 0.15f && variance < 0.5f, "a tenth of a variance near 3, not %g", (double)variance);
  f.on.tape.training = false;
  cr_assert(apply(&f));
  cr_assert_eq(tensor_floats(f.running)[0], mean);
  cr_assert_eq(tensor_floats(f.running)[2], variance);
  teardown(&f);
}

Test(batchnorm2d, keeps_x_and_two_numbers_a_channel) {
  struct fixture f;
  setup(&f, (size_t[]){4, 5, 3, 3});
  cr_assert(apply(&f));
  cr_assert_eq(f.on.memory.saved, (4 * 5 * 3 * 3 + 2 * 5) * sizeof(float));
  teardown(&f);
}

Test(batchnorm2d, refuses_what_does_not_fit) {
  struct fixture five, six;
  setup(&five, (size_t[]){4, 5, 3, 3});
  setup(&six, (size_t[]){4, 6, 3, 3});
  cr_assert_null(op_batchnorm2d(&five.on.tape, five.x, five.weight, five.bias, six.running, epsilon));
  cr_assert_eq(five.on.tape.status, ERROR_USAGE);
  cr_assert_null(op_batchnorm2d(&six.on.tape, six.x, five.weight, six.bias, six.running, epsilon));
  cr_assert_eq(six.on.tape.status, ERROR_USAGE);
  teardown(&five);
  teardown(&six);
}
