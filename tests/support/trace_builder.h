/* Makes traces in memory with the true writer, for tests: raw ones, as a process that was killed leaves them. */
#ifndef ACTSCOPE_TESTS_TRACE_BUILDER_H
#define ACTSCOPE_TESTS_TRACE_BUILDER_H

#include "trace/trace_writer.h"

#include <stddef.h>
#include <stdint.h>

#define TRACE_BUILDER_STREAMS 64

/* The bytes of one trace. Memory is reserved once, so that chunk writers stay valid while chunks are added. */
struct trace_builder {
  uint8_t *bytes;
  size_t size, room;
  struct trace_chunk_writer tables; /* the tables chunk that is being filled */
  uint32_t tables_sequence;
  struct trace_chunk_writer writers[TRACE_BUILDER_STREAMS]; /* by stream */
  uint32_t sequences[TRACE_BUILDER_STREAMS];
  uint32_t tids[TRACE_BUILDER_STREAMS];
};

/* A trace of at most `room` bytes with a header and nothing else: pid 42, minimal size 4096, "python3 train.py". Any
 * failure in these functions aborts the test. */
void trace_builder_init(struct trace_builder *builder, size_t room);
void trace_builder_fini(struct trace_builder *builder);

/* Begins a chunk of `capacity` bytes (a multiple of TRACE_CHUNK_STEP) in a stream; the thread is 100 + stream. */
struct trace_chunk_writer *trace_builder_events(struct trace_builder *builder, uint32_t stream, uint64_t time_ns,
                                                uint32_t capacity);
struct trace_chunk_writer *trace_builder_tables(struct trace_builder *builder, uint32_t capacity);

/* Adds the pending sums of small blocks to a chunk, as the recorder does. */
void trace_builder_small(struct trace_chunk_writer *writer, const struct trace_small *small);

void trace_builder_flags(struct trace_builder *builder, uint32_t flags);

/* Writes the first `size` bytes to path. */
void trace_builder_write(const struct trace_builder *builder, const char *path, size_t size);
void trace_builder_save(const struct trace_builder *builder, const char *path);

#endif
