/* The kernels of an instruction set held against the reference, bit for bit. Plain C without a test framework, so that
 * it also runs where there is none: on an emulated machine of another architecture. */
#ifndef ACTSCOPE_TESTS_KERNELS_KERNELS_CHECK_H
#define ACTSCOPE_TESTS_KERNELS_KERNELS_CHECK_H

#include "kernels/kernels.h"

struct finding {
  char text[200]; /* empty: nothing was found */
};

/* Codes: bits 1 to 8, 1 to 512 intervals, lengths 0 to 300, arrays that end where their memory ends and that begin
 * there, values on, just below and just above breakpoints, NaN, infinities, denormals, zeros of both signs. */
struct finding check_encode(const struct kernels *kernels);
/* Gradients: the same, in place and not, through the caches and past them, at every alignment. */
struct finding check_decode(const struct kernels *kernels);
/* Both 16-bit formats: all words, floats that round in every way, lengths 0 to 100. */
struct finding check_half(const struct kernels *kernels);
/* Activations: that length, alignment, place and hint do not change a bit of the result, and that nothing else is
 * written; and that the result is the reference's but for `ulps` units in the last place. */
struct finding check_activate(const struct kernels *kernels, unsigned ulps);

#endif
