#include "kernels/layers/window.h"

int window_over(struct window *window, size_t shape[4], struct tape *tape, const char *op, const struct value *x) {
  struct window *w = window;
  if (x->dims == 4 && 2 * w->padding <= w->kernel) {
    w->planes = x->shape[0] * x->shape[1];
    w->height = x->shape[2];
    w->width = x->shape[3];
    w->out_height = window_places(w->height, w->kernel, w->stride, w->padding);
    w->out_width = window_places(w->width, w->kernel, w->stride, w->padding);
  }
  if (w->planes == 0 || w->out_height == 0 || w->out_width == 0) {
    return tape_fail(tape, ERROR_USAGE, "%s: %s: a window of %zu, stride %zu, padding %zu does not fit over %zu x %zu",
                     tape->scope, op, w->kernel, w->stride, w->padding, x->dims == 4 ? x->shape[2] : 0,
                     x->dims == 4 ? x->shape[3] : 0);
  }
  shape[0] = x->shape[0];
  shape[1] = x->shape[1];
  shape[2] = w->out_height;
  shape[3] = w->out_width;
  return 0;
}
