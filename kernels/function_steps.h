/* f for a quantizer whose steps are f' itself, not an approximation of it: their integral with f(0) = 0. */
#ifndef ACTSCOPE_KERNELS_FUNCTION_STEPS_H
#define ACTSCOPE_KERNELS_FUNCTION_STEPS_H

#include "kernels/quantizer.h"

/* On interval i f is level x + offset[i]. Plain data; what function_steps_init fills in may be moved and copied. */
struct function_steps {
  struct quantizer quantizer;
  double offset[QUANTIZER_INTERVALS_MAX];
};

void function_steps_init(struct function_steps *steps, const struct quantizer *quantizer);

/* A function whose context is `steps`: f(x) in double; f'(x) for an x that is a float, as the kernels have it. */
struct function_user function_steps_user(const struct function_steps *steps);

#endif
