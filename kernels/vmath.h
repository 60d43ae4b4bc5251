/* The exact forward of every built-in function on a vector of floats: vmath_NAME(x, params).
 *
 * Written once over kernels/simd.h. Exact means: within 2 or 3 ulp of the real number over all floats, left
 * tails and denormal results included (tests/kernels/test_vmath_accuracy.c has the bounds, bench/accuracy.py
 * measures them beside torch's). NaN gives NaN; infinities give the limit; -0 gives -0 where f(x) is about a x at 0.
 * The rounding mode must be to nearest, and denormals must not be flushed.
 *
 * params: the floats that vmath_params() makes of a function's parameters. */
#ifndef ACTSCOPE_KERNELS_VMATH_H
#define ACTSCOPE_KERNELS_VMATH_H

#include "kernels/vmath_elu.h"
#include "kernels/vmath_gelu.h"
#include "kernels/vmath_params.h"
#include "kernels/vmath_sigmoid.h"
#include "kernels/vmath_simple.h"
#include "kernels/vmath_softplus.h"
#include "kernels/vmath_tanh.h"

#endif
