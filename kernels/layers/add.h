/* z = x + y, y's elements repeating over x's leading dimensions. */
#ifndef ACTSCOPE_KERNELS_LAYERS_ADD_H
#define ACTSCOPE_KERNELS_LAYERS_ADD_H

#include <stddef.h>

void add_forward(const float *x, const float *y, float *z, size_t repeats, size_t n); /* x, z (repeats, n), y (n) */
/* dy = beta dy + the sum of dz over repeats. dx is dz itself. */
void add_backward_repeated(const float *dz, size_t repeats, size_t n, float *dy, float beta);

#endif
