/* Dropout: each element is dropped with probability p, and the others are scaled by 1 / (1 - p). N. Srivastava et al.,
 * Dropout: a simple way to prevent neural networks from overfitting, JMLR 2014.
 *
 * Which ones depends on (seed, stream, index) by a counter-based generator, not on threads: element i has word
 * i % 4 of philox_at(i / 4, stream, seed). The mask has one bit an element, 1 for kept; element 0 is the lowest bit
 * of byte 0. PyTorch's is a float or a byte each. */
#ifndef ACTSCOPE_KERNELS_LAYERS_DROPOUT_H
#define ACTSCOPE_KERNELS_LAYERS_DROPOUT_H

#include "kernels/layers/tape.h"

#include <stddef.h>
#include <stdint.h>

struct dropout {
  float p;         /* 0 to 1 */
  uint64_t seed;   /* of the run */
  uint64_t stream; /* of this use of it: no two share numbers */
};

static inline size_t dropout_mask_size(size_t n) {
  return (n + 7) / 8;
}

/* y may be x. */
void dropout_forward(const struct dropout *dropout, const float *x, float *y, uint8_t *mask, size_t n);
/* dx = scale dy where kept, else 0, of n elements from `first` on: dx and dy are theirs, mask is the whole. dx may be
 * dy. Calls no threads. */
void dropout_backward(const struct dropout *dropout, const uint8_t *mask, size_t first, const float *dy, float *dx,
                      size_t n);

/* The next stream of the tape's; p as asked. */
struct dropout dropout_draw(struct tape *tape, float p);
/* Does it drop anything, for this tape? */
bool dropout_acts(const struct tape *tape, float p);
/* Is p a probability? If not, the tape's status is set. */
bool dropout_check(struct tape *tape, const char *op, float p);

#endif
