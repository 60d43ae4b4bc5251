#include "kernels/layers/global_avgpool.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/op.h"
#include "kernels/layers/reduce.h"

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

void global_avgpool_forward(const float *x, float *y, size_t planes, size_t pixels) {
#pragma omp parallel for schedule(static) if (planes * pixels > PARALLEL_ELEMENTS)
  for (size_t plane = 0; plane < planes; plane++) {
    y[plane] = (float)(reduce_sum(x + plane * pixels, pixels) / (double)pixels);
  }
}

void global_avgpool_backward(const float *dy, float *dx, size_t planes, size_t pixels) {
#pragma omp parallel for schedule(static) if (planes * pixels > PARALLEL_ELEMENTS)
  for (size_t plane = 0; plane < planes; plane++) {
    const float share = dy[plane] / (float)pixels;
    for (size_t i = plane * pixels; i < (plane + 1) * pixels; i++) {
      dx[i] += share;
    }
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct global_avgpool_saved {
  struct tensor *x; /* not needed here; autograd keeps it */
  size_t planes, pixels;
};

static void release(void *saved) {
  struct global_avgpool_saved *s = saved;
  tensor_release(s->x);
}

static void backward(struct tape *tape, struct node *node) {
  const struct global_avgpool_saved *s = (const void *)node->saved;
  float *dx = tape_gradient(tape, node->inputs[0]);
  if (dx) {
    global_avgpool_backward(tensor_floats(node->output->gradient), dx, s->planes, s->pixels);
  }
}

static const struct node_ops ops = {"mean", backward, release};

struct value *op_global_avgpool(struct tape *tape, struct value *x) {
  if (!op_has(tape, ops.op, x)) {
    return NULL;
  }
  if (x->dims != 4 || x->shape[2] * x->shape[3] == 0) {
    return op_misfit(tape, ops.op, x, x);
  }
  struct global_avgpool_saved saved = {.planes = x->shape[0] * x->shape[1], .pixels = x->shape[2] * x->shape[3]};
  struct value *y = tape_result(tape, x->shape, 2);
  if (y && !tape->memory->dry) {
    global_avgpool_forward(tensor_floats(x->tensor), tensor_floats(y->tensor), saved.planes, saved.pixels);
  }
  saved.x = tensor_hold(x->tensor);
  return tape_node(tape, &ops, y, (struct value *[]){x}, 1, &saved, sizeof saved);
}
