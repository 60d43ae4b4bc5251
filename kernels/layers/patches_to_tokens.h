/* An image's places as a sequence: (batch, channels, pixels) to (batch, pixels, channels). */
#ifndef ACTSCOPE_KERNELS_LAYERS_PATCHES_TO_TOKENS_H
#define ACTSCOPE_KERNELS_LAYERS_PATCHES_TO_TOKENS_H

#include <stddef.h>

void patches_to_tokens_forward(const float *x, float *y, size_t batch, size_t channels, size_t pixels);
/* Adds to dx. */
void patches_to_tokens_backward(const float *dy, float *dx, size_t batch, size_t channels, size_t pixels);

#endif
