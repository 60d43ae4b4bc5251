#include "kernels/layers/take_row.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/op.h"

#include <string.h>

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

void take_row_forward(const struct take_row *take, const float *x, float *y) {
  for (size_t b = 0; b < take->batch; b++) {
    memcpy(y + b * take->width, x + (b * take->rows + take->row) * take->width, take->width * sizeof *y);
  }
}

void take_row_backward(const struct take_row *take, const float *dy, float *dx) {
  for (size_t b = 0; b < take->batch; b++) {
    add_into(dx + (b * take->rows + take->row) * take->width, dy + b * take->width, take->width);
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

static void release(void *saved) {
  (void)saved;
}

static void backward(struct tape *tape, struct node *node) {
  float *dx = tape_gradient(tape, node->inputs[0]);
  if (dx) {
    take_row_backward((const void *)node->saved, tensor_floats(node->output->gradient), dx);
  }
}

static const struct node_ops ops = {"select", backward, release};

struct value *op_take_row(struct tape *tape, struct value *x, size_t t) {
  if (!op_has(tape, ops.op, x)) {
    return NULL;
  }
  if (x->dims != 3 || t >= x->shape[1]) {
    tape_fail(tape, ERROR_USAGE, "%s: %s: there is no row %zu", tape->scope, ops.op, t);
    return NULL;
  }
  const struct take_row saved = {x->shape[0], x->shape[1], x->shape[2], t};
  struct value *y = tape_result(tape, (const size_t[]){saved.batch, saved.width}, 2);
  if (y && tensor_floats(y->tensor)) {
    take_row_forward(&saved, tensor_floats(x->tensor), tensor_floats(y->tensor));
  }
  return tape_node(tape, &ops, y, (struct value *[]){x}, 1, &saved, sizeof saved);
}
