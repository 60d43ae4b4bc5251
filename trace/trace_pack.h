/* Turns the rows of event chunks into columns, and several tables chunks into one: what makes a finished trace small.
 * Private to trace/; docs/trace-format.md says why it is so. */
#ifndef ACTSCOPE_TRACE_PACK_H
#define ACTSCOPE_TRACE_PACK_H

#include "trace/trace_decode.h"
#include "trace/trace_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A chunk is full at so many bytes or records: large enough for zstd, small enough that a reader may hold one a thread. */
#define TRACE_PACK_BYTES (1u << 20)
#define TRACE_PACK_RECORDS (1u << 17)

struct trace_bytes {
  uint8_t *data;
  size_t size, room;
};

/* Where reading stands in the rows of a raw chunk. */
struct trace_rows {
  struct trace_decoder in;
  const uint8_t *end;
  uint64_t time_ns, address;
};

/* The last uses of an address in this chunk, numbered from 1; 0 = none. */
struct trace_last_use {
  uint64_t address;
  uint32_t alloc, free;
};

struct trace_packer {
  struct trace_bytes column[TRACE_COLUMNS];
  size_t records;
  uint64_t time_ns, address, top; /* as the reader of the columns will have them */
  uint32_t allocs, frees;
  struct trace_last_use *uses; /* by hash of the address, the later one where two meet: a reference may be forgone */
  bool no_memory;              /* sticky: bytes are missing */
};

/* trace_packer_fini takes a zeroed packer. */
bool trace_packer_init(struct trace_packer *packer);
void trace_packer_fini(struct trace_packer *packer);

/* Empties the columns for a chunk with this time base. */
void trace_packer_begin(struct trace_packer *packer, uint64_t time_ns);
bool trace_packer_is_full(const struct trace_packer *packer);

/* Takes over the next row. NULL, or what is wrong with it. */
const char *trace_packer_add(struct trace_packer *packer, struct trace_rows *rows);
void trace_packer_add_small(struct trace_packer *packer, uint64_t time_ns, const uint64_t sums[4]);

/* Writes the payload: sizes of the columns, then the columns. False: out of memory, here or before. */
bool trace_packer_end(struct trace_packer *packer, struct trace_bytes *payload);

#define TRACE_BYTES_SLACK 64 /* room for what one record adds to a column, but for bodies of long ones */
bool trace_bytes_reserve(struct trace_bytes *bytes, size_t more);
void trace_bytes_fini(struct trace_bytes *bytes);

#endif
