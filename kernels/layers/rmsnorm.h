/* y = x rstd weight over the last dimension; rstd = 1 / sqrt(mean of x^2 + epsilon). x, y (rows, width), weight (width)
 * or NULL, rstd (rows). */
#ifndef ACTSCOPE_KERNELS_LAYERS_RMSNORM_H
#define ACTSCOPE_KERNELS_LAYERS_RMSNORM_H

#include <stddef.h>

struct rmsnorm_shape {
  size_t rows, width;
};

void rmsnorm_forward(const struct rmsnorm_shape *shape, const float *x, const float *weight, float epsilon, float *y,
                     float *rstd);

struct rmsnorm_kept {
  const float *x, *rstd, *weight;
};
/* Gradients that are not wanted are NULL; each is written (beta 0) or added to (beta 1). */
struct rmsnorm_gradients {
  float *dx, *dweight;
  float beta_x, beta_weight;
};
void rmsnorm_backward(const struct rmsnorm_shape *shape, const struct rmsnorm_kept *kept, const float *dy,
                      const struct rmsnorm_gradients *to);

#endif
