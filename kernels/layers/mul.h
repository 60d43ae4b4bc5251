/* z = x y, element by element. */
#ifndef ACTSCOPE_KERNELS_LAYERS_MUL_H
#define ACTSCOPE_KERNELS_LAYERS_MUL_H

#include <stddef.h>

void mul_forward(const float *x, const float *y, float *z, size_t n);
/* dx = beta dx + y dz. */
void mul_backward(const float *y, const float *dz, float *dx, float beta, size_t n);

#endif
