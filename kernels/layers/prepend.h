/* One row before the rows of each sequence: x (batch, rows, width), row (width), y (batch, rows + 1, width). */
#ifndef ACTSCOPE_KERNELS_LAYERS_PREPEND_H
#define ACTSCOPE_KERNELS_LAYERS_PREPEND_H

#include <stddef.h>

void prepend_forward(const float *x, const float *row, float *y, size_t batch, size_t rows, size_t width);
/* Adds to dx and drow; either may be NULL. */
void prepend_backward(const float *dy, float *dx, float *drow, size_t batch, size_t rows, size_t width);

#endif
