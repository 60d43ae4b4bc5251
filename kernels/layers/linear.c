#include "kernels/layers/linear.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/matmul.h"
#include "kernels/layers/op.h"

#include <string.h>

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

void linear_forward(const struct linear_shape *shape, const float *x, const float *w, const float *b, float *y) {
  if (b) {
#pragma omp parallel for schedule(static) if (shape->rows * shape->out > PARALLEL_ELEMENTS)
    for (size_t i = 0; i < shape->rows; i++) {
      memcpy(y + i * shape->out, b, shape->out * sizeof *b);
    }
  }
  matmul(&(struct matmul){.m = shape->rows,
                          .n = shape->out,
                          .k = shape->in,
                          .a = x,
                          .b = w,
                          .transpose_b = true,
                          .c = y,
                          .alpha = 1,
                          .beta = b ? 1 : 0});
}

void linear_backward(const struct linear_shape *shape, const float *x, const float *w, const float *dy,
                     const struct linear_gradients *to) {
  const size_t rows = shape->rows, in = shape->in, out = shape->out;
  if (to->dx) { /* dx = dy w */
    matmul(
        &(struct matmul){.m = rows, .n = in, .k = out, .a = dy, .b = w, .c = to->dx, .alpha = 1, .beta = to->beta_x});
  }
  if (to->dw) { /* dw = dy^T x */
    matmul(&(struct matmul){.m = out,
                            .n = in,
                            .k = rows,
                            .a = dy,
                            .transpose_a = true,
                            .b = x,
                            .c = to->dw,
                            .alpha = 1,
                            .beta = to->beta_w});
  }
  if (to->db) {
    sum_rows(dy, rows, out, to->db, to->beta_b);
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct linear_saved {
  struct tensor *x; /* if w needs a gradient */
  struct tensor *w; /* if x does */
  struct linear_shape shape;
};

static void release(void *saved) {
  struct linear_saved *s = saved;
  tensor_release(s->x);
  tensor_release(s->w);
}

static void backward(struct tape *tape, struct node *node) {
  const struct linear_saved *s = (const void *)node->saved;
  struct linear_gradients to;
  to.dx = tape_gradient_beta(tape, node->inputs[0], &to.beta_x);
  to.dw = tape_gradient_beta(tape, node->inputs[1], &to.beta_w);
  to.db = tape_gradient_beta(tape, node->inputs[2], &to.beta_b);
  if (tape->status == 0 && !tape->memory->dry) {
    linear_backward(&s->shape, s->x ? tensor_floats(s->x) : NULL, s->w ? tensor_floats(s->w) : NULL,
                    tensor_floats(node->output->gradient), &to);
  }
}

static const struct node_ops addmm = {"addmm", backward, release}, mm = {"mm", backward, release};

static bool fits(const struct value *x, const struct value *w, const struct value *b) {
  return x->dims > 0 && w->dims == 2 && value_width(x) == w->shape[1] && (!b || value_count(b) == w->shape[0]);
}

struct value *op_linear(struct tape *tape, struct value *x, struct value *w, struct value *b) {
  const struct node_ops *ops = b ? &addmm : &mm;
  if (!op_has(tape, ops->op, x) || !op_has(tape, ops->op, w) || (b && !op_has(tape, ops->op, b))) {
    return NULL;
  }
  if (!fits(x, w, b)) {
    return op_misfit(tape, ops->op, x, w);
  }
  struct linear_saved saved = {.shape = {value_rows(x), w->shape[1], w->shape[0]}};
  size_t shape[TAPE_DIMS];
  memcpy(shape, x->shape, sizeof shape);
  shape[x->dims - 1] = w->shape[0];
  struct value *y = tape_result(tape, shape, x->dims);
  if (y && tensor_floats(y->tensor)) {
    linear_forward(&saved.shape, tensor_floats(x->tensor), tensor_floats(w->tensor),
                   b ? tensor_floats(b->tensor) : NULL, tensor_floats(y->tensor));
  }
  saved.x = w->needs_gradient ? tensor_hold(x->tensor) : NULL;
  saved.w = x->needs_gradient ? tensor_hold(w->tensor) : NULL;
  return tape_node(tape, ops, y, (struct value *[]){x, w, b}, 3, &saved, sizeof saved);
}
