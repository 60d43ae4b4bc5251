/* y = x w^T + b. x (rows, in), w (out, in), b (out) or NULL, y (rows, out). */
#ifndef ACTSCOPE_KERNELS_LAYERS_LINEAR_H
#define ACTSCOPE_KERNELS_LAYERS_LINEAR_H

#include <stddef.h>

struct linear_shape {
  size_t rows, in, out;
};

void linear_forward(const struct linear_shape *shape, const float *x, const float *w, const float *b, float *y);

/* Gradients that are not wanted are NULL; each is written (beta 0) or added to (beta 1). */
struct linear_gradients {
  float *dx, *dw, *db;
  float beta_x, beta_w, beta_b;
};
void linear_backward(const struct linear_shape *shape, const float *x, const float *w, const float *dy,
                     const struct linear_gradients *to);

#endif
