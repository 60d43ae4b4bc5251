/* Batch normalisation: y = (x - mean) rstd weight + bias by channel, over (batch, pixels) of x (batch, channels,
 * pixels). S. Ioffe, C. Szegedy, Batch normalization, ICML 2015. Sums are in double precision. */
#ifndef ACTSCOPE_KERNELS_LAYERS_BATCHNORM2D_H
#define ACTSCOPE_KERNELS_LAYERS_BATCHNORM2D_H

#include <stdbool.h>
#include <stddef.h>

struct batchnorm2d {
  size_t batch, channels, pixels;
  float epsilon;
};

/* Of the batch: mean and 1 / sqrt(variance + epsilon), both (channels); and moves running (2, channels: mean, variance)
 * by momentum towards them, the variance then being the unbiased one, as in PyTorch. running may be NULL. */
void batchnorm2d_measure(const struct batchnorm2d *norm, const float *x, float *mean, float *rstd, float *running,
                         float momentum);
/* The same from running, for evaluation. */
void batchnorm2d_recall(const struct batchnorm2d *norm, const float *running, float *mean, float *rstd);

void batchnorm2d_forward(const struct batchnorm2d *norm, const float *x, const float *mean, const float *rstd,
                         const float *weight, const float *bias, float *y);

struct batchnorm2d_gradients {
  float *x, *weight, *bias; /* added to; NULL where not wanted */
};
/* measured: mean and rstd are the batch's, and depend on x. */
void batchnorm2d_backward(const struct batchnorm2d *norm, const float *x, const float *mean, const float *rstd,
                          bool measured, const float *weight, const float *dy, const struct batchnorm2d_gradients *to);

#endif
