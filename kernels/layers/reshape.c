/* The same elements under another shape: shares the tensor, and passes the gradient's on. */
#include "kernels/layers/op.h"

static void release(void *saved) {
  (void)saved;
}

static void backward(struct tape *tape, struct node *node) {
  tape_pass_gradient(tape, node->inputs[0], node->output->gradient);
}

static const struct node_ops ops = {"view", backward, release};

struct value *op_reshape(struct tape *tape, struct value *x, const size_t *shape, unsigned dims) {
  if (!op_has(tape, ops.op, x)) {
    return NULL;
  }
  struct value *y = tape_value(tape, tensor_keep(x->tensor), shape, dims);
  if (y && value_count(y) != value_count(x)) {
    return op_misfit(tape, ops.op, x, y);
  }
  return tape_node(tape, &ops, y, &x, 1, "", 0);
}
