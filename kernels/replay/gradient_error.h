/* How far a gradient is from the exact one: cosine similarity and relative error, from sums in double.
 *
 * Sums are made piece by piece in a fixed order, so that they do not depend on the number of threads. */
#ifndef ACTSCOPE_KERNELS_REPLAY_GRADIENT_ERROR_H
#define ACTSCOPE_KERNELS_REPLAY_GRADIENT_ERROR_H

#include "kernels/function.h"
#include "kernels/run.h"

#include <stddef.h>

/* Zeroed to begin with. */
struct gradient_error {
  double exact, other, product, difference; /* sums of squares: of the exact, of the other, of both, of other - exact */
};

void gradient_error_add(struct gradient_error *error, const float *exact, const float *other, size_t n);
/* Another part of the same gradient, `times` times. */
void gradient_error_merge(struct gradient_error *error, const struct gradient_error *part, double times);

/* dx, of any origin, against f'(x) dy in double; x, dy, dx of n elements of the type, which is what f' is asked for. */
void gradient_error_add_function(struct gradient_error *error, const struct function *function, enum run_type type,
                                 const void *x, const void *dy, const void *dx, size_t n);

/* Both are 1 and 0 if both gradients are zero; 0 and infinity if the exact one alone is. NaN if anything is. */
double gradient_error_cosine(const struct gradient_error *error);
double gradient_error_relative(const struct gradient_error *error); /* |other - exact| / |exact| */

/* The two figures under a name, as results carry them. */
struct gradient_figures {
  double cosine, relative_error;
};
struct gradient_figures gradient_error_figures(const struct gradient_error *error);

#endif
