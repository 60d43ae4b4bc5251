/* A quantizer: the levels that replace f', and which stretch of x gets which. Fitting finds the best there is.
 *
 * Interval i (0 .. intervals - 1) holds the x with exactly i breakpoints <= x; NaN is in interval 0, and the outer
 * intervals reach to the infinities. Its gradient is levels[codes[i]]. Plain data: copy it freely, it owns nothing. */
#ifndef ACTSCOPE_KERNELS_QUANTIZER_H
#define ACTSCOPE_KERNELS_QUANTIZER_H

#include "kernels/function.h"
#include "kernels/weight.h"

#include <stdint.h>

enum { QUANTIZER_BITS_MAX = 8, QUANTIZER_LEVELS_MAX = 256, QUANTIZER_INTERVALS_MAX = 512 };

enum quantizer_method {
  QUANTIZER_VALUE,   /* any map from x to 2^bits levels; levels ascend */
  QUANTIZER_INTERVAL /* the paper's: 2^bits intervals on x; codes[i] == i, levels in the order of x */
};

struct quantizer {
  enum function_id function;
  double params[FUNCTION_PARAMS];
  char name[FUNCTION_NAME_SIZE];                  /* of the function, a user's own included */
  unsigned bits;                                  /* code width; may be more than levels_count needs */
  unsigned intervals;                             /* 1 .. 512 */
  unsigned levels_count;                          /* 1 .. 2^bits */
  float breakpoints[QUANTIZER_INTERVALS_MAX - 1]; /* intervals - 1, strictly ascending, as the kernels compare them */
  uint8_t codes[QUANTIZER_INTERVALS_MAX];         /* intervals */
  float levels[QUANTIZER_LEVELS_MAX];             /* levels_count; the rest up to 2^bits is 0 */
  double breakpoints_exact[QUANTIZER_INTERVALS_MAX - 1], levels_exact[QUANTIZER_LEVELS_MAX]; /* before rounding */
  double error;       /* integral of w (f' - q)^2 */
  double cosine;      /* of q dy and f' dy under w, for dy independent of x */
  double lower_bound; /* no quantizer of this method and size has a smaller error; <= error */
  double residual;    /* of the optimality conditions: max |f'(s) - mean of both levels|, |level - mean of f'| */
  enum quantizer_method method;
  struct weight weight; /* histogram is NULL here */
};

/* Fits `bits` bits (1 .. 8). Function and weight are read during the call only. ERROR_USAGE for what makes no sense,
 * ERROR_INPUT for a derivative that is not finite or turns too often, ERROR_MEMORY. Thread-safe, no state. */
int quantizer_fit(struct quantizer *quantizer, const struct function *function, unsigned bits,
                  enum quantizer_method method, const struct weight *weight, struct error *err);

/* The stored fit of a built-in function with default parameters and weight_default, bits 1 .. 4, without computing;
 * ERROR_USAGE if none is stored. */
int quantizer_builtin(struct quantizer *quantizer, enum function_id function, unsigned bits,
                      enum quantizer_method method, struct error *err);

/* The built-in table where there is one for these, else a fit. */
int quantizer_get(struct quantizer *quantizer, const struct function *function, unsigned bits,
                  enum quantizer_method method, const struct weight *weight, struct error *err);

/* From breakpoints (intervals - 1, ascending), levels and codes of any origin: rounds to float32, checks the
 * invariants (ERROR_INPUT). codes NULL: interval i has level i. error, cosine, lower_bound and residual are NaN: see
 * quantizer_measure. */
int quantizer_from_table(struct quantizer *quantizer, const struct function *function, const double *breakpoints,
                         const uint8_t *codes, unsigned intervals, const double *levels, unsigned levels_count,
                         struct error *err);

/* Integral of w (f' - q)^2, and the gradients' cosine, for q's exact breakpoints and levels, by quadrature that shares
 * nothing with the fit but the weight. Either result may be NULL. */
int quantizer_measure(const struct quantizer *quantizer, const struct function *function, const struct weight *weight,
                      double *error, double *cosine, struct error *err);

/* q(x) by the float32 rule above. */
float quantizer_level(const struct quantizer *quantizer, float x);

const char *quantizer_method_name(enum quantizer_method method); /* "value", "interval" */

#endif
