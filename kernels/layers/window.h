/* A square window that slides over the planes of images: the geometry of pooling, and of convolution. */
#ifndef ACTSCOPE_KERNELS_LAYERS_WINDOW_H
#define ACTSCOPE_KERNELS_LAYERS_WINDOW_H

#include "kernels/layers/tape.h"

#include <stddef.h>

struct window {
  size_t planes, height, width; /* of x: images times channels */
  size_t kernel, stride, padding;
  size_t out_height, out_width;
};

/* What all windows see together. */
static inline size_t window_elements(const struct window *window) {
  return window->planes * window->out_height * window->out_width * window->kernel * window->kernel;
}

/* How many places the window has along a line of `size`, 0 if none. */
static inline size_t window_places(size_t size, size_t kernel, size_t stride, size_t padding) {
  const size_t padded = size + 2 * padding;
  return kernel == 0 || stride == 0 || padded < kernel ? 0 : (padded - kernel) / stride + 1;
}

/* What a window sees of a line of `size`: from first to last excluded. */
struct window_span {
  size_t first, last;
};

static inline struct window_span window_span_at(const struct window *window, size_t place, size_t size) {
  const size_t begin = place * window->stride, end = begin + window->kernel; /* with the padding before it */
  const size_t last = end > window->padding ? end - window->padding : 0;
  return (struct window_span){begin > window->padding ? begin - window->padding : 0, last < size ? last : size};
}

/* For pooling ops: the window over x (B, C, H, W), and the shape of the result. ERROR_USAGE, and the tape's status, if
 * there is no place for it or if it could see nothing but padding. */
int window_over(struct window *window, size_t shape[4], struct tape *tape, const char *op, const struct value *x);

#endif
