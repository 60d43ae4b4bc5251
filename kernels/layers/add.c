#include "kernels/layers/add.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/op.h"

#include <string.h>

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

static void add_row(const float *x, const float *y, float *z, size_t n) {
#pragma omp parallel for simd schedule(static) if (n > PARALLEL_ELEMENTS)
  for (size_t i = 0; i < n; i++) {
    z[i] = x[i] + y[i];
  }
}

void add_forward(const float *x, const float *y, float *z, size_t repeats, size_t n) {
#pragma omp parallel for schedule(static) if (repeats > 1 && repeats * n > PARALLEL_ELEMENTS)
  for (size_t r = 0; r < repeats; r++) {
    add_row(x + r * n, y, z + r * n, n);
  }
}

void add_backward_repeated(const float *dz, size_t repeats, size_t n, float *dy, float beta) {
  sum_rows(dz, repeats, n, dy, beta);
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct add_saved {
  size_t repeats, n;
};

static void release(void *saved) {
  (void)saved;
}

static void backward(struct tape *tape, struct node *node) {
  const struct add_saved *s = (const void *)node->saved;
  struct tensor *dz = node->output->gradient;
  tape_pass_gradient(tape, node->inputs[0], dz);
  if (s->repeats == 1) {
    tape_pass_gradient(tape, node->inputs[1], dz);
    return;
  }
  float beta;
  float *dy = tape_gradient_beta(tape, node->inputs[1], &beta);
  if (dy) {
    add_backward_repeated(tensor_floats(dz), s->repeats, s->n, dy, beta);
  }
}

static const struct node_ops ops = {"add", backward, release};

/* Are y's dimensions x's last ones? */
static bool repeats(const struct value *x, const struct value *y) {
  return y->dims <= x->dims && memcmp(x->shape + (x->dims - y->dims), y->shape, y->dims * sizeof *y->shape) == 0;
}

struct value *op_add(struct tape *tape, struct value *x, struct value *y) {
  if (!op_has(tape, ops.op, x) || !op_has(tape, ops.op, y)) {
    return NULL;
  }
  const size_t n = value_count(y);
  if (!repeats(x, y)) {
    return op_misfit(tape, ops.op, x, y);
  }
  const struct add_saved saved = {n > 0 ? value_count(x) / n : 1, n};
  struct value *z = tape_result(tape, x->shape, x->dims);
  if (z && tensor_floats(z->tensor)) {
    add_forward(tensor_floats(x->tensor), tensor_floats(y->tensor), tensor_floats(z->tensor), saved.repeats, n);
  }
  return tape_node(tape, &ops, z, (struct value *[]){x, y}, 2, &saved, sizeof saved);
}
