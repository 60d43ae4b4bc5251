/* Sequences of allocations and frees written by hand, for the tests of the inference. */
#ifndef ACTSCOPE_TESTS_SEQUENCE_BUILDER_H
#define ACTSCOPE_TESTS_SEQUENCE_BUILDER_H

#include "analyzers/infer_sequence.h"

#include <stdint.h>

enum { SEQUENCE_STACKS = 64 }; /* stacks are below it */

struct sequence_builder {
  struct infer_sequence sequence;
  uint64_t number, time_ns; /* of the next event; each advances it by 10 */
};

void sequence_init(struct sequence_builder *builder);
void sequence_fini(struct sequence_builder *builder);

uint32_t sequence_alloc(struct sequence_builder *builder, uint64_t bytes, uint32_t stack); /* its number */
void sequence_free(struct sequence_builder *builder, uint32_t block, uint32_t stack);

/* Random ones, the same for the same seed: `events` of them, of blocks of 1 to 8 bytes from up to `stacks` stacks. */
void sequence_random(struct sequence_builder *builder, unsigned seed, unsigned events, unsigned stacks);

#endif
