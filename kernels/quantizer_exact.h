/* Piecewise-linear functions whose slopes fit into the levels: no fit is needed. Private to quantizer.c. */
#ifndef ACTSCOPE_KERNELS_QUANTIZER_EXACT_H
#define ACTSCOPE_KERNELS_QUANTIZER_EXACT_H

#include "kernels/quantizer.h"

/* True, and the quantizer complete, if function is piecewise linear and bits and method of the quantizer are enough. */
bool quantizer_exact(struct quantizer *quantizer, const struct function *function);

/* Breakpoints and levels from the exact ones to float32. (quantizer.c) */
void quantizer_round(struct quantizer *quantizer);

#endif
