#include "kernels/layers/maxpool2d.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/op.h"

#include <math.h>

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

static size_t winner(const struct window *w, const float *x, struct window_span ys, struct window_span xs) {
  size_t best = ys.first * w->width + xs.first;
  for (size_t row = ys.first; row < ys.last; row++) {
    for (size_t column = xs.first; column < xs.last; column++) {
      const float candidate = x[row * w->width + column];
      if (candidate > x[best] || isnan(candidate)) {
        best = row * w->width + column;
      }
    }
  }
  return best;
}

void maxpool2d_forward(const struct window *window, const float *x, float *y, int64_t *index) {
  const struct window *w = window;
  const size_t outs = w->out_height * w->out_width;
#pragma omp parallel for schedule(static) if (window_elements(w) > PARALLEL_ELEMENTS)
  for (size_t plane = 0; plane < w->planes; plane++) {
    const float *from = x + plane * w->height * w->width;
    for (size_t i = 0; i < outs; i++) {
      const struct window_span ys = window_span_at(w, i / w->out_width, w->height);
      const size_t best = winner(w, from, ys, window_span_at(w, i % w->out_width, w->width));
      y[plane * outs + i] = from[best];
      index[plane * outs + i] = (int64_t)best;
    }
  }
}

void maxpool2d_backward(const struct window *window, const int64_t *index, const float *dy, float *dx) {
  const size_t outs = window->out_height * window->out_width;
#pragma omp parallel for schedule(static) if (window_elements(window) > PARALLEL_ELEMENTS)
  for (size_t plane = 0; plane < window->planes; plane++) {
    float *to = dx + plane * window->height * window->width;
    for (size_t i = plane * outs; i < (plane + 1) * outs; i++) {
      to[index[i]] += dy[i];
    }
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct maxpool2d_saved {
  struct tensor *x; /* not needed here; autograd keeps it */
  struct tensor *index;
  struct window window;
};
_Static_assert(sizeof(struct maxpool2d_saved) <= TAPE_SAVED_SIZE, "a node has room for it");

static void release(void *saved) {
  struct maxpool2d_saved *s = saved;
  tensor_release(s->x);
  tensor_release(s->index);
}

static void backward(struct tape *tape, struct node *node) {
  const struct maxpool2d_saved *s = (const void *)node->saved;
  float *dx = tape_gradient(tape, node->inputs[0]);
  if (dx) {
    maxpool2d_backward(&s->window, s->index->data, tensor_floats(node->output->gradient), dx);
  }
}

static const struct node_ops ops = {"max_pool2d_with_indices", backward, release};

struct value *op_maxpool2d(struct tape *tape, struct value *x, size_t kernel, size_t stride, size_t padding) {
  struct maxpool2d_saved saved = {.window = {.kernel = kernel, .stride = stride, .padding = padding}};
  size_t shape[4];
  if (!op_has(tape, ops.op, x) || window_over(&saved.window, shape, tape, ops.op, x) < 0) {
    return NULL;
  }
  struct value *y = tape_result(tape, shape, 4);
  if (!y) {
    return NULL;
  }
  saved.index = op_hold_new(tape, ACTSCOPE_INT64, value_count(y) * sizeof(int64_t));
  if (saved.index && !tape->memory->dry) {
    maxpool2d_forward(&saved.window, tensor_floats(x->tensor), tensor_floats(y->tensor), saved.index->data);
  }
  saved.x = tensor_hold(x->tensor);
  return tape_node(tape, &ops, y, (struct value *[]){x}, 1, &saved, sizeof saved);
}
