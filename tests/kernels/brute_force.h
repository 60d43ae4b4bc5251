/* The slow and plain way to the best quantizer, for comparison: its own f', its own sums, every pair of ends tried. It
 * shares no code with kernels/. */
#ifndef ACTSCOPE_TESTS_BRUTE_FORCE_H
#define ACTSCOPE_TESTS_BRUTE_FORCE_H

#include <stdbool.h>
#include <stddef.h>

typedef double brute_function(double x);
struct brute_case {
  const char *name;
  brute_function *derivative;
};
extern const struct brute_case brute_cases[]; /* the 13 continuous functions and gelu_tanh */
extern const size_t brute_cases_count;

typedef double brute_weight(double x);
double brute_uniform(double x); /* 1 */
double brute_normal(double x);  /* the standard normal density */

/* errors[b] of the best quantizer with 2^b levels (b = 1 .. bits) among those that treat each of `cells` equal cells of
 * [low, high] as one; sorted: cells may go to levels in any way (`value`), else to stretches (`interval`). */
void brute_force(brute_function *derivative, brute_weight *weight, double low, double high, size_t cells, bool sorted,
                 unsigned bits, double *errors);

#endif
