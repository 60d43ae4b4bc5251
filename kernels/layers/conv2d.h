/* Convolution of images as products of matrices: y[b] = w columns(x[b]), where columns lists for each place of the
 * kernel (rows: channel, kernel row, kernel column) what it sees at each place of the result. What has a 1 x 1 kernel
 * that takes every pixel is the product at once, x[b] being its own columns.
 *
 * Columns are made a tile at a time, some images or some rows of one, into memory of the caller's: conv2d_scratch()
 * floats. Tiles and the products' parts depend on the shape only, never on the number of threads. */
#ifndef ACTSCOPE_KERNELS_LAYERS_CONV2D_H
#define ACTSCOPE_KERNELS_LAYERS_CONV2D_H

#include <stddef.h>

struct conv2d {
  size_t batch, channels, height, width; /* of x */
  size_t out, kernel;                    /* w: (out, channels, kernel, kernel) */
  size_t stride, padding;
  size_t out_height, out_width; /* conv2d_init */
};

/* Fills in the result's size. -1 if there is no place for the kernel or a size is 0. */
int conv2d_init(struct conv2d *conv);

size_t conv2d_scratch(const struct conv2d *conv);

/* bias (out) may be NULL. */
void conv2d_forward(const struct conv2d *conv, const float *x, const float *w, const float *bias, float *y,
                    float *scratch);

struct conv2d_gradients {
  float *x, *w, *bias; /* added to; NULL where not wanted */
};
/* x is read for w's gradient only, w for x's. */
void conv2d_backward(const struct conv2d *conv, const float *x, const float *w, const float *dy,
                     const struct conv2d_gradients *to, float *scratch);

#endif
