/* Writes the records of a trace into a chunk: the one encoder, for the preload library and for tests.
 *
 * A chunk writer works on memory that the caller owns (a file mapping, as a rule), never allocates and calls nothing that
 * could: it runs inside malloc. Each trace_write_* encodes one whole record behind the last one and then publishes it by
 * storing the chunk's `used` with release order, so that a reader, or a SIGKILL, sees whole records only. They return
 * false, having changed nothing, when the chunk has no room: continue in a new one. One thread per chunk at a time. */
#ifndef ACTSCOPE_TRACE_WRITER_H
#define ACTSCOPE_TRACE_WRITER_H

#include "trace/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_chunk_writer {
  uint8_t *base;    /* of the chunk's header; NULL = no chunk */
  uint8_t *cursor;  /* behind the last published record */
  uint8_t *end;     /* of the capacity */
  uint64_t time_ns; /* of the last record */
  uint64_t address; /* of the last record that had one */
};

struct trace_file_header {
  uint32_t flags, stop_reason;
  uint64_t start_unix_ns, start_mono_ns, end_ns, min_size;
  uint32_t stack_depth, pid, ppid;
  int32_t rank, exit_status;
  uint32_t world_size; /* 0 = unknown */
  uint16_t machine;
  uint64_t lost_events;
  const char *command; /* arguments separated by NUL */
  size_t command_size;
};

/* Encodes the header into TRACE_HEADER_SIZE bytes, without CRC. */
void trace_write_file_header(uint8_t *bytes, const struct trace_file_header *header);

/* Begins a chunk of `capacity` bytes (header included) at base, whose bytes must be zero. */
void trace_chunk_begin(struct trace_chunk_writer *writer, uint8_t *base, uint32_t capacity, enum trace_chunk_kind kind,
                       uint32_t stream, uint32_t sequence, uint64_t time_ns, uint32_t tid);

/* Events; time_ns must not be less than the previous record's (it is taken as equal then). */
bool trace_write_alloc(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t address, uint64_t size, uint32_t stack,
                       bool is_realloc);
enum trace_free_kind { TRACE_FREE_PLAIN, TRACE_FREE_IN_RELEASE, TRACE_FREE_REALLOC };
bool trace_write_free(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t address, uint32_t stack,
                      enum trace_free_kind kind);
bool trace_write_map(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t address, uint64_t size, uint32_t stack,
                     bool unmap);

/* Adds to the chunk's pending sums of small blocks: four plain stores into the chunk header, no record. */
struct trace_small {
  uint64_t alloc_bytes, alloc_count, free_bytes, free_count;
};
/* Turns the pending sums into a SMALL record and zeroes them; true and nothing written if they are zero already. */
bool trace_write_small(struct trace_chunk_writer *w, uint64_t time_ns);

bool trace_write_thread(struct trace_chunk_writer *w, uint64_t time_ns, uint32_t tid);
struct trace_save {
  uint64_t tensor, data, bytes, elements;
  uint32_t dtype, source, stack;
  uint32_t layer, op; /* strings; 0 = none: not written */
};
bool trace_write_save(struct trace_chunk_writer *w, uint64_t time_ns, const struct trace_save *save);
bool trace_write_release(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t tensor, uint64_t node_type,
                         uint32_t source, uint32_t stack);
bool trace_write_resident(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t data, uint64_t bytes, uint32_t role,
                          uint32_t name);
bool trace_write_phase(struct trace_chunk_writer *w, uint64_t time_ns, uint32_t phase, bool begins);
struct trace_region {
  uint64_t data, bytes;
  uint32_t layer, name, op; /* strings; 0 = none */
  uint32_t stack;
};
bool trace_write_region(struct trace_chunk_writer *w, uint64_t time_ns, const struct trace_region *region);
bool trace_write_region_end(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t data);
bool trace_write_step(struct trace_chunk_writer *w, uint64_t time_ns);
bool trace_write_lost(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t count);

/* Tables. `previous` is the stack that the same chunk's last STACK record held (count 0 at the chunk's beginning). */
bool trace_write_stack(struct trace_chunk_writer *w, uint32_t id, const uint64_t *frames, size_t count,
                       const uint64_t *previous, size_t previous_count);
bool trace_write_string(struct trace_chunk_writer *w, uint32_t id, const void *bytes, size_t size);
struct trace_module_record {
  uint64_t time_ns, begin, size, bias;
  uint32_t path, build_id; /* strings; build_id 0 = none */
};
bool trace_write_module(struct trace_chunk_writer *w, const struct trace_module_record *module);
bool trace_write_module_gone(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t begin);
bool trace_write_meta(struct trace_chunk_writer *w, uint32_t key, uint32_t value);
bool trace_write_code(struct trace_chunk_writer *w, uint32_t id, uint32_t file, uint32_t name);

/* The frame of a stack that stands for a line of a CODE. */
static inline uint64_t trace_frame_of_code(uint32_t code, uint32_t line) {
  return TRACE_FRAME_CODE | (uint64_t)code << TRACE_FRAME_LINE_BITS |
         (line < TRACE_FRAME_LINE_MAX ? line : TRACE_FRAME_LINE_MAX);
}

/* Little-endian access to header fields. The u64 sums and `used` are stored with single aligned stores. */
void trace_store_u16(uint8_t *at, uint16_t value);
void trace_store_u32(uint8_t *at, uint32_t value);
void trace_store_u64(uint8_t *at, uint64_t value);

/* The largest record that these functions write, but for stacks and strings, whose size the caller knows. */
#define TRACE_RECORD_MAX 96
/* Room that a stack of n frames, a string of n bytes need at most. */
#define TRACE_STACK_RECORD_MAX(n) (40 + 10 * (size_t)(n))
#define TRACE_STRING_RECORD_MAX(n) (24 + (size_t)(n))

#endif
