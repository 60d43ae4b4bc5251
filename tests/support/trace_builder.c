/* Traces for tests: see the header. */
#include "tests/support/trace_builder.h"

#include "tests/support/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static void must(int condition, const char *what) {
  if (!condition) {
    fprintf(stderr, "trace_builder: %s\n", what);
    abort();
  }
}

void trace_builder_init(struct trace_builder *b, size_t room) {
  static const char command[] = "python3\0train.py"; /* the literal's own NUL ends the last argument */
  *b = (struct trace_builder){.size = TRACE_HEADER_SIZE, .room = room};
  b->bytes = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  must(b->bytes != MAP_FAILED, "no memory");
  struct trace_file_header header = {
      .start_unix_ns = UINT64_C(1700000000000000000),
      .start_mono_ns = 1000,
      .min_size = 4096,
      .stack_depth = 64,
      .pid = 42,
      .ppid = 41,
      .rank = -1,
      .exit_status = -1,
      .machine = 62,
      .command = command,
      .command_size = sizeof command,
  };
  trace_write_file_header(b->bytes, &header);
}

void trace_builder_fini(struct trace_builder *b) {
  if (b->bytes) {
    munmap(b->bytes, b->room);
  }
  *b = (struct trace_builder){0};
}

static uint8_t *reserve(struct trace_builder *b, uint32_t capacity) {
  must(capacity <= b->room - b->size, "the trace outgrows its room");
  uint8_t *base = b->bytes + b->size;
  b->size += capacity;
  return base;
}

struct trace_chunk_writer *trace_builder_events(struct trace_builder *b, uint32_t stream, uint64_t time_ns,
                                                uint32_t capacity) {
  must(stream < TRACE_BUILDER_STREAMS, "no such stream");
  struct trace_chunk_writer *writer = &b->writers[stream];
  trace_chunk_begin(writer, reserve(b, capacity), capacity, TRACE_CHUNK_EVENTS, stream, b->sequences[stream]++, time_ns,
                    100 + stream);
  return writer;
}

struct trace_chunk_writer *trace_builder_tables(struct trace_builder *b, uint32_t capacity) {
  trace_chunk_begin(&b->tables, reserve(b, capacity), capacity, TRACE_CHUNK_TABLES, 0, b->tables_sequence++, 0, 0);
  return &b->tables;
}

void trace_builder_small(struct trace_chunk_writer *writer, const struct trace_small *small) {
  trace_store_u64(writer->base + TRACE_C_SMALL_ALLOC_BYTES, small->alloc_bytes);
  trace_store_u64(writer->base + TRACE_C_SMALL_ALLOC_COUNT, small->alloc_count);
  trace_store_u64(writer->base + TRACE_C_SMALL_FREE_BYTES, small->free_bytes);
  trace_store_u64(writer->base + TRACE_C_SMALL_FREE_COUNT, small->free_count);
}

void trace_builder_flags(struct trace_builder *b, uint32_t flags) {
  trace_store_u32(b->bytes + TRACE_H_FLAGS, flags);
}

void trace_builder_write(const struct trace_builder *b, const char *path, size_t size) {
  file_write(path, b->bytes, size);
}

void trace_builder_save(const struct trace_builder *b, const char *path) {
  trace_builder_write(b, path, b->size);
}
