#include "kernels/layers/prepend.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/op.h"

#include <string.h>

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

void prepend_forward(const float *x, const float *row, float *y, size_t batch, size_t rows, size_t width) {
#pragma omp parallel for schedule(static) if (batch * rows * width > PARALLEL_ELEMENTS)
  for (size_t b = 0; b < batch; b++) {
    float *to = y + b * (rows + 1) * width;
    memcpy(to, row, width * sizeof *to);
    memcpy(to + width, x + b * rows * width, rows * width * sizeof *to);
  }
}

void prepend_backward(const float *dy, float *dx, float *drow, size_t batch, size_t rows, size_t width) {
  for (size_t b = 0; b < batch; b++) {
    const float *from = dy + b * (rows + 1) * width;
    if (drow) {
      add_into(drow, from, width);
    }
    if (dx) {
      add_into(dx + b * rows * width, from + width, rows * width);
    }
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct prepend_saved {
  size_t batch, rows, width;
};

static void release(void *saved) {
  (void)saved;
}

static void backward(struct tape *tape, struct node *node) {
  const struct prepend_saved *s = (const void *)node->saved;
  float *dx = tape_gradient(tape, node->inputs[0]), *drow = tape_gradient(tape, node->inputs[1]);
  if (dx || drow) {
    prepend_backward(tensor_floats(node->output->gradient), dx, drow, s->batch, s->rows, s->width);
  }
}

static const struct node_ops ops = {"cat", backward, release};

struct value *op_prepend(struct tape *tape, struct value *x, struct value *row) {
  if (!op_has(tape, ops.op, x) || !op_has(tape, ops.op, row)) {
    return NULL;
  }
  if (x->dims != 3 || value_count(row) != x->shape[2]) {
    return op_misfit(tape, ops.op, x, row);
  }
  const struct prepend_saved saved = {x->shape[0], x->shape[1], x->shape[2]};
  struct value *y = tape_result(tape, (const size_t[]){saved.batch, saved.rows + 1, saved.width}, 3);
  if (y && tensor_floats(y->tensor)) {
    prepend_forward(tensor_floats(x->tensor), tensor_floats(row->tensor), tensor_floats(y->tensor), saved.batch,
                    saved.rows, saved.width);
  }
  return tape_node(tape, &ops, y, (struct value *[]){x, row}, 2, &saved, sizeof saved);
}
