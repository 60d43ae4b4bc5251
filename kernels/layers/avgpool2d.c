#include "kernels/layers/avgpool2d.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/op.h"

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

static float mean(const struct window *w, const float *x, struct window_span ys, struct window_span xs) {
  double sum = 0;
  for (size_t row = ys.first; row < ys.last; row++) {
    for (size_t column = xs.first; column < xs.last; column++) {
      sum += (double)x[row * w->width + column];
    }
  }
  return (float)(sum / (double)(w->kernel * w->kernel));
}

void avgpool2d_forward(const struct window *window, const float *x, float *y) {
  const struct window *w = window;
  const size_t outs = w->out_height * w->out_width;
#pragma omp parallel for schedule(static) if (window_elements(w) > PARALLEL_ELEMENTS)
  for (size_t plane = 0; plane < w->planes; plane++) {
    for (size_t i = 0; i < outs; i++) {
      const struct window_span ys = window_span_at(w, i / w->out_width, w->height);
      y[plane * outs + i] =
          mean(w, x + plane * w->height * w->width, ys, window_span_at(w, i % w->out_width, w->width));
    }
  }
}

static void share(const struct window *w, float dy, float *dx, struct window_span ys, struct window_span xs) {
  for (size_t row = ys.first; row < ys.last; row++) {
    for (size_t column = xs.first; column < xs.last; column++) {
      dx[row * w->width + column] += dy;
    }
  }
}

void avgpool2d_backward(const struct window *window, const float *dy, float *dx) {
  const struct window *w = window;
  const size_t outs = w->out_height * w->out_width;
  const float area = (float)(w->kernel * w->kernel);
#pragma omp parallel for schedule(static) if (window_elements(w) > PARALLEL_ELEMENTS)
  for (size_t plane = 0; plane < w->planes; plane++) {
    for (size_t i = 0; i < outs; i++) {
      const struct window_span ys = window_span_at(w, i / w->out_width, w->height);
      share(w, dy[plane * outs + i] / area, dx + plane * w->height * w->width, ys,
            window_span_at(w, i % w->out_width, w->width));
    }
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct avgpool2d_saved {
  struct tensor *x; /* not needed here; autograd keeps it */
  struct window window;
};

static void release(void *saved) {
  struct avgpool2d_saved *s = saved;
  tensor_release(s->x);
}

static void backward(struct tape *tape, struct node *node) {
  const struct avgpool2d_saved *s = (const void *)node->saved;
  float *dx = tape_gradient(tape, node->inputs[0]);
  if (dx) {
    avgpool2d_backward(&s->window, tensor_floats(node->output->gradient), dx);
  }
}

static const struct node_ops ops = {"avg_pool2d", backward, release};

struct value *op_avgpool2d(struct tape *tape, struct value *x, size_t kernel, size_t stride) {
  struct avgpool2d_saved saved = {.window = {.kernel = kernel, .stride = stride}};
  size_t shape[4];
  if (!op_has(tape, ops.op, x) || window_over(&saved.window, shape, tape, ops.op, x) < 0) {
    return NULL;
  }
  struct value *y = tape_result(tape, shape, 4);
  if (y && !tape->memory->dry) {
    avgpool2d_forward(&saved.window, tensor_floats(x->tensor), tensor_floats(y->tensor));
  }
  saved.x = tensor_hold(x->tensor);
  return tape_node(tape, &ops, y, (struct value *[]){x}, 1, &saved, sizeof saved);
}
