/* Gradients against finite differences, and what goes with every op: gradients add up, nothing is left in the meter, a
 * dry meter counts what a real one does, and the number of threads makes no difference.
 *
 * The loss is the sum of the op's results, each times a random weight that is fixed, added in double; the op itself runs
 * in float32. Its derivative by an element is D = (4 D(h) - D(2h)) / 3 of two central differences, with h = 0.02.
 * Truncation is h^4 / 30 times the fifth derivative, some 5e-9 for layers whose inputs are near 1; rounding is about
 * 2^-24 |results that change| / h, some 1e-5. Both leave room to the bar: 1e-3 of the largest entry of the gradient. */
#ifndef ACTSCOPE_TESTS_LAYERS_GRADIENT_CHECK_H
#define ACTSCOPE_TESTS_LAYERS_GRADIENT_CHECK_H

#include "kernels/layers/ops.h"

/* A float input of the op, drawn uniformly from low .. high (both 0: -1 .. 1). */
struct gradient_leaf {
  const char *name; /* NULL after the last */
  size_t shape[TAPE_DIMS];
  unsigned dims;
  float low, high;
  float gap;      /* no value is nearer to 0: for functions with a kink there; more than 2 h */
  bool parameter; /* its gradient is one of the meter's MEMORY_GRADIENT */
  bool constant;  /* needs no gradient */
};

enum { GRADIENT_LEAVES = 4 };

struct gradient_case {
  const char *name;
  struct gradient_leaf leaves[GRADIENT_LEAVES + 1];
  /* Makes the op's result of the leaves. Runs many times, on a dry meter too: whatever else it makes must be the same
   * each time and belong to the tape's meter. */
  struct value *(*build)(struct tape *tape, struct value *const *leaves, const void *context);
  const void *context;
  double step;      /* h; 0: 0.02 */
  double tolerance; /* relative to the leaf's largest entry; 0: 1e-3 */
  bool evaluation;  /* tape.training = false */
};

/* All but threads. Checks at most some forty elements a leaf, spread over it. Fails the running test. */
void gradient_check(const struct gradient_case *check);
/* Results and gradients with 1 and with 3 threads, bit for bit: for shapes large enough that ops do share their work. */
void gradient_check_threads(const struct gradient_case *check);

/* The loss itself, for tests of their own: the gradient that y gets is these weights. Its value is of no use. */
struct value *gradient_check_loss(struct tape *tape, struct value *y);
void gradient_check_weights(float *weights, size_t n);

/* The same numbers every time: uniform in low .. high. */
void gradient_check_fill(float *x, size_t n, float low, float high, uint64_t seed);

/* n int32 below `limit` in a tensor of the meter's, kind MEMORY_INPUT, for tensor_drop; each `negative`-th is -1 (0:
 * none). */
struct tensor *gradient_check_numbers(struct memory *memory, size_t n, int32_t limit, size_t negative, uint64_t seed);

#endif
