#include "kernels/layers/mul.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/op.h"

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

void mul_forward(const float *x, const float *y, float *z, size_t n) {
#pragma omp parallel for simd schedule(static) if (n > PARALLEL_ELEMENTS)
  for (size_t i = 0; i < n; i++) {
    z[i] = x[i] * y[i];
  }
}

void mul_backward(const float *y, const float *dz, float *dx, float beta, size_t n) {
  if (beta == 0) {
    mul_forward(y, dz, dx, n);
  } else {
    multiply_add_into(dx, y, dz, n);
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct mul_saved {
  struct tensor *x; /* if y needs a gradient */
  struct tensor *y; /* if x does */
};

static void release(void *saved) {
  struct mul_saved *s = saved;
  tensor_release(s->x);
  tensor_release(s->y);
}

static void backward_to(struct tape *tape, struct node *node, struct value *to, const struct tensor *other) {
  float beta;
  float *gradient = tape_gradient_beta(tape, to, &beta);
  if (gradient) {
    mul_backward(tensor_floats(other), tensor_floats(node->output->gradient), gradient, beta, value_count(to));
  }
}

static void backward(struct tape *tape, struct node *node) {
  const struct mul_saved *s = (const void *)node->saved;
  backward_to(tape, node, node->inputs[0], s->y);
  backward_to(tape, node, node->inputs[1], s->x);
}

static const struct node_ops ops = {"mul", backward, release};

struct value *op_mul(struct tape *tape, struct value *x, struct value *y) {
  if (!op_has(tape, ops.op, x) || !op_has(tape, ops.op, y)) {
    return NULL;
  }
  if (!value_same_shape(x, y)) {
    return op_misfit(tape, ops.op, x, y);
  }
  struct value *z = tape_result(tape, x->shape, x->dims);
  if (z && tensor_floats(z->tensor)) {
    mul_forward(tensor_floats(x->tensor), tensor_floats(y->tensor), tensor_floats(z->tensor), value_count(z));
  }
  const struct mul_saved saved = {.x = y->needs_gradient ? tensor_hold(x->tensor) : NULL,
                                  .y = x->needs_gradient ? tensor_hold(y->tensor) : NULL};
  return tape_node(tape, &ops, z, (struct value *[]){x, y}, 2, &saved, sizeof saved);
}
