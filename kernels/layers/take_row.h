/* One row of each sequence: x (batch, rows, width), y (batch, width). */
#ifndef ACTSCOPE_KERNELS_LAYERS_TAKE_ROW_H
#define ACTSCOPE_KERNELS_LAYERS_TAKE_ROW_H

#include <stddef.h>

struct take_row {
  size_t batch, rows, width;
  size_t row; /* which */
};

void take_row_forward(const struct take_row *take, const float *x, float *y);
/* Adds to dx. */
void take_row_backward(const struct take_row *take, const float *dy, float *dx);

#endif
