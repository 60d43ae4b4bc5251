/* Cross-entropy: gradients, rows that do not count, large logits, bad targets. */
#include "kernels/layers/cross_entropy.h"

#include "tests/layers/gradient_check.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

struct task {
  size_t rows;
  int32_t classes;
  size_t negative;
};

static struct value *loss(struct tape *tape, struct value *const *leaves, const void *context) {
  const struct task *task = context;
  struct tensor *target = gradient_check_numbers(tape->memory, task->rows, task->classes, task->negative, 8);
  struct value *y = op_cross_entropy(tape, leaves[0], target);
  tensor_drop(target);
  return y;
}

/* h = 0.02 on logits in -2 .. 2; the loss is near 2 and its float 1e-7 off: 1e-7 / h / (gradient 1 / rows) stays below
 * the bar for tens of rows. */
#define LOSS(ROWS, CLASSES, NEGATIVE)                                                                                  \
  &(struct gradient_case) {                                                                                            \
    .name = "cross entropy " #ROWS " x " #CLASSES,                                                                     \
    .leaves = {{.name = "logits", .shape = {ROWS, CLASSES}, .dims = 2, .low = -2, .high = 2}}, .build = loss,          \
    .context = &(struct task){ROWS, CLASSES, NEGATIVE}, .step = 0.05                                                   \
  }

Test(cross_entropy, gradients) {
  gradient_check(LOSS(1, 2, 0));
  gradient_check(LOSS(5, 7, 0));
  gradient_check(LOSS(9, 33, 3));
}

Test(cross_entropy, threads) {
  gradient_check_threads(LOSS(307, 131, 5));
}

Test(cross_entropy, against_double) {
  enum { ROWS = 4, CLASSES = 19 };
  float logits[ROWS * CLASSES], log_softmax[ROWS * CLASSES];
  const int32_t target[ROWS] = {0, -1, 18, 7};
  gradient_check_fill(logits, ROWS * CLASSES, -30, 30, 4);
  const float got = cross_entropy_forward(&(struct cross_entropy_shape){ROWS, CLASSES}, logits, target, log_softmax);
  double expected = 0;
  for (int i = 0; i < ROWS; i++) {
    double sum = 0;
    for (int j = 0; j < CLASSES; j++) {
      sum += exp((double)logits[i * CLASSES + j]);
    }
    expected += target[i] < 0 ? 0 : (log(sum) - (double)logits[i * CLASSES + target[i]]) / 3;
  }
  cr_assert_float_eq((double)got, expected, 1e-6 * expected);
}

/* Logits that e^x has no float for, minus infinity for what is masked, and no target at all. */
Test(cross_entropy, extremes) {
  float logits[2][3] = {{1000, 998, -INFINITY}, {-1000, -1000, -1000}}, y[6];
  const struct cross_entropy_shape shape = {2, 3};
  const double first = log(1 + exp(2)), second = log(3);
  const float got = cross_entropy_forward(&shape, &logits[0][0], (int32_t[]){1, 2}, y);
  cr_assert_float_eq((double)got, (first + second) / 2, 1e-4); /* 1000 has steps of 6e-5 */
  cr_assert_eq(cross_entropy_forward(&shape, &logits[0][0], (int32_t[]){-1, -100}, y), 0);
  float d[6];
  cross_entropy_backward(&shape, y, (int32_t[]){-1, -100}, 1, d, 0);
  for (int i = 0; i < 6; i++) {
    cr_assert_eq(d[i], 0);
  }
}

Test(cross_entropy, a_target_out_of_range) {
  struct memory memory;
  struct tape tape;
  memory_init(&memory, false);
  tape_init(&tape, &memory);
  struct value *logits = tape_value(&tape, NULL, (size_t[]){2, 3}, 2);
  struct tensor *target = tensor_new(&memory, MEMORY_INPUT, 2 * sizeof(int32_t));
  memcpy(target->data, (int32_t[]){2, 3}, 2 * sizeof(int32_t));
  cr_assert_null(op_cross_entropy(&tape, logits, target));
  cr_assert_eq(tape.status, ERROR_INPUT);
  cr_assert(strstr(tape.error.message, "target 1 is 3"), "%s", tape.error.message);
  tape_fini(&tape);
  tensor_drop(target);
  cr_assert_eq(memory.live, 0);
}
