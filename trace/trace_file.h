/* A trace file as bytes: mapped, its header and chunk headers checked, its payloads checked and unpacked on demand.
 *
 * Private to trace/: the reader and trace_finish stand on it. Records are not looked into
 * here, but for the one that the end of a truncated file has cut. */
#ifndef ACTSCOPE_TRACE_FILE_H
#define ACTSCOPE_TRACE_FILE_H

#include "common/error.h"
#include "trace/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_chunk {
  uint64_t offset;   /* of its header in the file */
  uint64_t time_ns;  /* base */
  uint64_t small[4]; /* pending sums: bytes and count of allocations, of frees */
  uint32_t stream, sequence, tid;
  uint32_t capacity, used, raw_size, payload_crc;
  uint16_t kind, flags;
  bool cut; /* the file ends within its records: the last one may be in pieces */
};

struct trace_file {
  char *path;
  const uint8_t *map; /* NULL: none */
  size_t size;
  uint32_t header_size;
  bool finished;              /* packed, with CRCs */
  bool truncated;             /* bytes that the file once had are missing at its end */
  size_t gaps;                /* chunks missing in the midst of a stream */
  struct trace_chunk *chunks; /* by kind, stream, sequence */
  size_t chunks_count;
  void *zstd; /* ZSTD_DCtx, made when first needed */
};

/* Payload bytes of a chunk. At least TRACE_PADDING bytes behind `end` may be read (they mean nothing), so that a record
 * can be decoded before it is known to lie within the chunk. */
struct trace_payload {
  const uint8_t *begin, *end;
  uint8_t *buffer; /* owned; begin points into it, or into the map */
  size_t capacity;
};
#define TRACE_PADDING 128

/* Opens and checks path; on failure there is nothing to end. trace_file_fini takes a zeroed struct too. */
int trace_file_open(struct trace_file *file, const char *path, struct error *err);
void trace_file_fini(struct trace_file *file);

/* ERROR_INPUT, with a message that says where and why. */
int trace_file_damaged(const struct trace_file *file, uint64_t offset, const char *why, struct error *err);

uint16_t trace_load_u16(const uint8_t *at);
uint32_t trace_load_u32(const uint8_t *at);
uint64_t trace_load_u64(const uint8_t *at);

/* Checks and unpacks one chunk's payload; what payload held before is replaced, its buffer used again. */
int trace_chunk_load(struct trace_file *file, const struct trace_chunk *chunk, struct trace_payload *payload,
                     struct error *err);
void trace_payload_fini(struct trace_payload *payload);

/* Tells the system that these bytes of the map will not be needed soon, so that reading a large trace stays small. */
void trace_chunk_forget(const struct trace_file *file, const struct trace_chunk *chunk);

#endif
