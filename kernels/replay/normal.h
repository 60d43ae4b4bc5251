/* Numbers drawn from N(0, 1), by counter: element i of a stream is the same whoever asks for it. */
#ifndef ACTSCOPE_KERNELS_REPLAY_NORMAL_H
#define ACTSCOPE_KERNELS_REPLAY_NORMAL_H

#include "kernels/run.h"

#include <stddef.h>
#include <stdint.h>

/* Fills n elements of the type (rounded to it) with the first n of stream `stream` under the seed. */
void normal_fill(void *array, enum run_type type, size_t n, uint64_t seed, uint64_t stream);

#endif
