/* The largest of each window of an image; padding is never the largest. */
#ifndef ACTSCOPE_KERNELS_LAYERS_MAXPOOL2D_H
#define ACTSCOPE_KERNELS_LAYERS_MAXPOOL2D_H

#include "kernels/layers/window.h"

#include <stdint.h>

/* index: where in its plane (row * width + column) each winner was; the first of equals, the last NaN. */
void maxpool2d_forward(const struct window *window, const float *x, float *y, int64_t *index);
/* Adds to dx. */
void maxpool2d_backward(const struct window *window, const int64_t *index, const float *dy, float *dx);

#endif
