/* The mean of each plane of an image. */
#ifndef ACTSCOPE_KERNELS_LAYERS_GLOBAL_AVGPOOL_H
#define ACTSCOPE_KERNELS_LAYERS_GLOBAL_AVGPOOL_H

#include <stddef.h>

/* x (planes, pixels), y (planes). */
void global_avgpool_forward(const float *x, float *y, size_t planes, size_t pixels);
/* Adds to dx. */
void global_avgpool_backward(const float *dy, float *dx, size_t planes, size_t pixels);

#endif
