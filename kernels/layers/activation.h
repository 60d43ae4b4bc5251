/* y = f(x) and dx = f'(x) dy, exactly: f by libfewbit's kernels, the same bits with codes and without; f' in float32
 * where there is a formula here, else in double, rounded.
 *
 * Gradients of the few-bit kind are libfewbit's own (include/actscope/fewbit.h). */
#ifndef ACTSCOPE_KERNELS_LAYERS_ACTIVATION_H
#define ACTSCOPE_KERNELS_LAYERS_ACTIVATION_H

#include "common/error.h"
#include "kernels/function.h"

/* What autograd keeps for f': the result, of relu, tanh and sigmoid, else the argument. */
bool activation_keeps_result(enum function_id id);

/* y may be x. ERROR_USAGE if ACTSCOPE_FEWBIT_ISA names what there is none of. */
int activation_forward(const struct function *function, const float *x, float *y, size_t n, struct error *err);
/* kept: y if activation_keeps_result, else x. dx is written (beta 0) or added to (beta 1), and may be dy if written. */
void activation_backward(const struct function *function, const float *kept, const float *dy, float *dx, float beta,
                         size_t n);

#endif
