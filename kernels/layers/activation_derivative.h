/* f' in float32, where it is written as vectors: dx from what is kept and dy. Private to the activation layer. */
#ifndef ACTSCOPE_KERNELS_LAYERS_ACTIVATION_DERIVATIVE_H
#define ACTSCOPE_KERNELS_LAYERS_ACTIVATION_DERIVATIVE_H

#include "kernels/function.h"

/* kept is y where activation_keeps_result, else x; dx = f' dy (beta 0) or dx += f' dy. */
typedef void activation_derivative(const float *params, const float *kept, const float *dy, float *dx, float beta,
                                   size_t n);

/* NULL if there is none; then function_derivative() will do. */
activation_derivative *activation_derivative_of(enum function_id id);

#endif
