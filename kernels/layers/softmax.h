/* Softmax of one row: the piece of attention that is no product. */
#ifndef ACTSCOPE_KERNELS_LAYERS_SOFTMAX_H
#define ACTSCOPE_KERNELS_LAYERS_SOFTMAX_H

#include <stddef.h>

/* x = softmax(scale x), in place; scale > 0. NaN and +infinity make the row NaN, as in PyTorch. */
void softmax_row(float *x, float scale, size_t n);
/* dx = scale y (dy - y . dy), in place of dy, for y = softmax_row's result. */
void softmax_row_backward(const float *y, float *dy, float scale, size_t n);

#endif
