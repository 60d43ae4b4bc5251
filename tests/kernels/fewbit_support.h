/* What the tests of libfewbit's interface share: quantizers on a given instruction set, arrays, the definition. */
#ifndef ACTSCOPE_TESTS_KERNELS_FEWBIT_SUPPORT_H
#define ACTSCOPE_TESTS_KERNELS_FEWBIT_SUPPORT_H

#include "actscope/fewbit.h"

#define FEWBIT_ISA_VARIABLE "ACTSCOPE_FEWBIT_ISA"

enum { FEWBIT_ISAS = 4 };
extern const char *const fewbit_isas[FEWBIT_ISAS]; /* "ref" first */

/* The built-in quantizer on this instruction set, NULL if it is not to be had here: of a CPU that lacks it, but not of
 * another architecture, it is said that this was skipped. What the environment forces is the same afterwards. */
fewbit_quantizer *fewbit_make_on(const char *isa, const char *function, unsigned bits);
/* On what the environment forces, or the best. */
fewbit_quantizer *fewbit_make(const char *function, unsigned bits);

/* n from -6 to 6, always the same; the caller frees. */
float *fewbit_floats(size_t n);

/* By the definition: how many breakpoints are <= x. */
unsigned fewbit_code_of(const fewbit_quantizer *q, float x);

#endif
