/* The mean of each window of an image, without padding. */
#ifndef ACTSCOPE_KERNELS_LAYERS_AVGPOOL2D_H
#define ACTSCOPE_KERNELS_LAYERS_AVGPOOL2D_H

#include "kernels/layers/window.h"

void avgpool2d_forward(const struct window *window, const float *x, float *y);
/* Adds to dx. */
void avgpool2d_backward(const struct window *window, const float *dy, float *dx);

#endif
