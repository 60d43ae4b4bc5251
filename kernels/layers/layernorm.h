/* y = (x - mean) rstd weight + bias over the last dimension; rstd = 1 / sqrt(variance + epsilon), the variance of the
 * row by its width. x, y (rows, width); weight, bias (width) or NULL; mean, rstd (rows). */
#ifndef ACTSCOPE_KERNELS_LAYERS_LAYERNORM_H
#define ACTSCOPE_KERNELS_LAYERS_LAYERNORM_H

#include <stddef.h>

struct layernorm_shape {
  size_t rows, width;
};

void layernorm_forward(const struct layernorm_shape *shape, const float *x, const float *weight, const float *bias,
                       float epsilon, float *y, float *mean, float *rstd);

struct layernorm_kept {
  const float *x, *mean, *rstd, *weight;
};
/* Gradients that are not wanted are NULL; each is written (beta 0) or added to (beta 1). */
struct layernorm_gradients {
  float *dx, *dweight, *dbias;
  float beta_x, beta_weight, beta_bias;
};
void layernorm_backward(const struct layernorm_shape *shape, const struct layernorm_kept *kept, const float *dy,
                        const struct layernorm_gradients *to);

#endif
