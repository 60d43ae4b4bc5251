/* A tape with a meter of its own and a few values to give to ops, for tests of what ops keep and refuse. */
#ifndef ACTSCOPE_TESTS_LAYERS_TAPE_FIXTURE_H
#define ACTSCOPE_TESTS_LAYERS_TAPE_FIXTURE_H

#include "kernels/layers/ops.h"

enum { TAPE_FIXTURE_LEAVES = 4 };

struct tape_fixture {
  struct memory memory;
  struct tape tape; /* training, seed 0 */
  struct value leaves[TAPE_FIXTURE_LEAVES];
  unsigned count;
};

void tape_fixture_open(struct tape_fixture *fixture, bool dry);
/* Fails the test if anything is left in the meter. */
void tape_fixture_close(struct tape_fixture *fixture);

/* A value that wants a gradient; parameters are of MEMORY_PARAMETER. Numbers from -1 to 1 unless dry. */
struct value *tape_fixture_leaf(struct tape_fixture *fixture, enum memory_kind kind, const size_t *shape,
                                unsigned dims);

#endif
