/* Parameters of the functions as the vector kernels want them, and the list of these functions. Plain C: nothing of an
 * instruction set here. */
#ifndef ACTSCOPE_KERNELS_VMATH_PARAMS_H
#define ACTSCOPE_KERNELS_VMATH_PARAMS_H

#include "kernels/function.h"

/* X(identity, name): the functions for which there is a vmath_##name(x, params). FUNCTION_STEPWISE and FUNCTION_USER have
 * no vector form. */
#define VMATH_FUNCTIONS(X)                                                                                             \
  X(FUNCTION_GELU, gelu)                                                                                               \
  X(FUNCTION_GELU_TANH, gelu_tanh)                                                                                     \
  X(FUNCTION_SILU, silu)                                                                                               \
  X(FUNCTION_MISH, mish)                                                                                               \
  X(FUNCTION_SOFTPLUS, softplus)                                                                                       \
  X(FUNCTION_ELU, elu)                                                                                                 \
  X(FUNCTION_CELU, celu)                                                                                               \
  X(FUNCTION_SELU, selu)                                                                                               \
  X(FUNCTION_HARDSWISH, hardswish)                                                                                     \
  X(FUNCTION_LOGSIGMOID, logsigmoid)                                                                                   \
  X(FUNCTION_SIGMOID, sigmoid)                                                                                         \
  X(FUNCTION_TANH, tanh)                                                                                               \
  X(FUNCTION_SOFTSIGN, softsign)                                                                                       \
  X(FUNCTION_TANHSHRINK, tanhshrink)                                                                                   \
  X(FUNCTION_RELU, relu)                                                                                               \
  X(FUNCTION_RELU6, relu6)                                                                                             \
  X(FUNCTION_LEAKY_RELU, leaky_relu)                                                                                   \
  X(FUNCTION_HARDTANH, hardtanh)                                                                                       \
  X(FUNCTION_HARDSIGMOID, hardsigmoid)                                                                                 \
  X(FUNCTION_HARDSHRINK, hardshrink)                                                                                   \
  X(FUNCTION_SOFTSHRINK, softshrink)                                                                                   \
  X(FUNCTION_THRESHOLD, threshold)

enum { VMATH_PARAMS = 3 };

/* out[] from a function's params[] in the order of function_traits(): those as floats, then what is derived of them. */
static inline void vmath_params(enum function_id id, const double params[FUNCTION_PARAMS], float out[VMATH_PARAMS]) {
  out[0] = (float)params[0];
  out[1] = (float)params[1];
  out[2] = 0.0f;
  if (id == FUNCTION_SOFTPLUS) {
    out[2] = (float)(0x1p-40 / params[0]);
  } else if (id == FUNCTION_CELU) {
    out[1] = (float)(1.0 / params[0]);
  }
}

#endif
