#include "kernels/layers/cross_entropy.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/float_exp.h"
#include "kernels/layers/op.h"

#include <math.h>

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

size_t cross_entropy_check(const struct cross_entropy_shape *shape, const int32_t *target) {
  size_t i = 0;
  while (i < shape->rows && (target[i] < 0 || (size_t)target[i] < shape->classes)) {
    i++;
  }
  return i;
}

static size_t count_targets(const int32_t *target, size_t rows) {
  size_t count = 0;
  for (size_t i = 0; i < rows; i++) {
    count += target[i] >= 0;
  }
  return count;
}

/* Of e^(x - maximum): at least 1, which the maximum itself contributes. */
static float sum_of_exp(const float *x, size_t classes, float maximum) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (size_t j = 0; j < classes; j++) {
    sum += float_exp(x[j] - maximum);
  }
  return sum;
}

static void log_softmax_row(const float *x, size_t classes, float *y) {
  float maximum = x[0];
#pragma omp simd reduction(max : maximum)
  for (size_t j = 0; j < classes; j++) {
    maximum = x[j] > maximum ? x[j] : maximum;
  }
  const float log_sum = logf(sum_of_exp(x, classes, maximum)); /* apart: maximum + log_sum rounds at the logits' size */
#pragma omp simd
  for (size_t j = 0; j < classes; j++) {
    y[j] = (x[j] - maximum) - log_sum;
  }
}

float cross_entropy_forward(const struct cross_entropy_shape *shape, const float *logits, const int32_t *target,
                            float *log_softmax) {
  const size_t rows = shape->rows, classes = shape->classes;
#pragma omp parallel for schedule(static) if (rows * classes > PARALLEL_ELEMENTS)
  for (size_t i = 0; i < rows; i++) {
    log_softmax_row(logits + i * classes, classes, log_softmax + i * classes);
  }
  double sum = 0;
  for (size_t i = 0; i < rows; i++) {
    sum -= target[i] >= 0 ? (double)log_softmax[i * classes + (size_t)target[i]] : 0;
  }
  const size_t count = count_targets(target, rows);
  return count > 0 ? (float)(sum / (double)count) : 0;
}

/* d = scale (softmax - 1 at the target). */
static void backward_row(const float *log_softmax, size_t classes, int32_t target, float scale, float *d, float beta) {
  if (target < 0) {
    scale = 0;
  }
#pragma omp simd
  for (size_t j = 0; j < classes; j++) {
    const float gradient = scale * float_exp(log_softmax[j]);
    d[j] = beta == 0 ? gradient : d[j] + gradient;
  }
  if (target >= 0) {
    d[target] -= scale;
  }
}

void cross_entropy_backward(const struct cross_entropy_shape *shape, const float *log_softmax, const int32_t *target,
                            float dloss, float *dlogits, float beta) {
  const size_t rows = shape->rows, classes = shape->classes, count = count_targets(target, rows);
  const float scale = count > 0 ? dloss / (float)count : 0;
#pragma omp parallel for schedule(static) if (rows * classes > PARALLEL_ELEMENTS)
  for (size_t i = 0; i < rows; i++) {
    backward_row(log_softmax + i * classes, classes, target[i], scale, dlogits + i * classes, beta);
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct cross_entropy_saved {
  struct tensor *log_softmax, *target;
  struct cross_entropy_shape shape;
};

static void release(void *saved) {
  struct cross_entropy_saved *s = saved;
  tensor_release(s->log_softmax);
  tensor_release(s->target);
}

static void backward(struct tape *tape, struct node *node) {
  const struct cross_entropy_saved *s = (const void *)node->saved;
  float beta;
  float *dlogits = tape_gradient_beta(tape, node->inputs[0], &beta);
  if (dlogits) {
    cross_entropy_backward(&s->shape, tensor_floats(s->log_softmax), s->target->data,
                           *tensor_floats(node->output->gradient), dlogits, beta);
  }
}

static const struct node_ops ops = {"log_softmax", backward, release};

static bool fits(struct tape *tape, const struct cross_entropy_shape *shape, const struct tensor *target) {
  if (!target || target->bytes < shape->rows * sizeof(int32_t) || shape->classes == 0) {
    tape_fail(tape, ERROR_USAGE, "%s: cross entropy: %zu rows of %zu classes; targets are NULL or too few", tape->scope,
              shape->rows, shape->classes);
    return false;
  }
  const size_t bad = target->data ? cross_entropy_check(shape, target->data) : shape->rows;
  if (bad < shape->rows) {
    tape_fail(tape, ERROR_INPUT, "%s: cross entropy: target %zu is %d; there are %zu classes", tape->scope, bad,
              (int)((const int32_t *)target->data)[bad], shape->classes);
    return false;
  }
  return true;
}

struct value *op_cross_entropy(struct tape *tape, struct value *logits, struct tensor *target) {
  if (!op_has(tape, ops.op, logits)) {
    return NULL;
  }
  struct cross_entropy_saved saved = {.shape = {value_rows(logits), value_width(logits)}};
  if (!fits(tape, &saved.shape, target)) {
    return NULL;
  }
  struct value *loss = tape_value(tape, NULL, NULL, 0);
  saved.log_softmax = op_hold_new(tape, ACTSCOPE_FLOAT32, value_count(logits) * sizeof(float));
  saved.target = tensor_hold(target);
  if (loss && tape->status == 0 && tensor_floats(saved.log_softmax)) {
    *tensor_floats(loss->tensor) = cross_entropy_forward(&saved.shape, tensor_floats(logits->tensor), target->data,
                                                         tensor_floats(saved.log_softmax));
  }
  return tape_node(tape, &ops, loss, &logits, 1, &saved, sizeof saved);
}
