/* Traces that tests share: a small one with every kind of record, and large ones of a made-up allocator. */
#ifndef ACTSCOPE_TESTS_TRACE_SAMPLE_H
#define ACTSCOPE_TESTS_TRACE_SAMPLE_H

#include "tests/support/trace_builder.h"

/* Every record kind once or more, two threads, three chunks. See the source for its numbers; test_trace_reader.c expects
 * them. */
void trace_sample_every_kind(struct trace_builder *builder);

/* The example of docs/trace-format.md: one stream, six events, two stacks. */
void trace_sample_documented(struct trace_builder *builder);

/* The example of marks there: a region of a block, a step, the region's end. */
void trace_sample_marked(struct trace_builder *builder);

/* `events` allocations and frees of up to 1000 live blocks on `streams` threads in chunks of 64 KiB, small sums pending
 * in some chunk headers, threads that change hands; the same for the same seed. */
void trace_sample_random(struct trace_builder *builder, size_t events, uint32_t streams, uint64_t seed);

/* Numbers that look random: xorshift64*; never 0 as a state. */
uint64_t trace_sample_next(uint64_t *state);

#endif
