/* Reads the columns of a packed events chunk: where each field's bytes stand, and the addresses that records refer back
 * to. Private to trace/; inline because it is half of the reader's hot path. */
#ifndef ACTSCOPE_TRACE_COLUMNS_H
#define ACTSCOPE_TRACE_COLUMNS_H

#include "trace/trace_decode.h"
#include "trace/trace_file.h"

#include <stdbool.h>
#include <stdint.h>

/* The last addresses of one kind, newest at count - 1. */
struct trace_references {
  uint64_t ring[TRACE_REFERENCE_MAX];
  uint64_t count;
};

struct trace_columns {
  struct {
    const uint8_t *at, *end;
  } column[TRACE_COLUMNS];
  uint64_t top; /* the largest stack id so far */
  bool bad;     /* something was not there: nothing decoded since means anything */
  struct trace_references allocs, frees;
};

/* Finds the columns in a payload. NULL, or what is wrong. */
const char *trace_columns_begin(struct trace_columns *columns, const struct trace_payload *payload);

/* One read may end up to 10 bytes behind its column, within the payload's padding; it is bad then. */
static inline uint64_t trace_columns_uv(struct trace_columns *columns, enum trace_column which) {
  struct trace_decoder in = {.at = columns->column[which].at};
  uint64_t value = trace_take_uv(&in);
  columns->column[which].at = in.at;
  columns->bad |= in.bad || in.at > columns->column[which].end;
  return value;
}

static inline uint64_t trace_columns_sv(struct trace_columns *columns, enum trace_column which) {
  uint64_t value = trace_columns_uv(columns, which);
  return trace_zigzag(value);
}

static inline void trace_references_add(struct trace_references *references, uint64_t address) {
  references->ring[references->count++ % TRACE_REFERENCE_MAX] = address;
}

/* The address of a block: one that `from` remembers, or else the one that the address column gives. */
static inline uint64_t trace_columns_address(struct trace_columns *columns, enum trace_column which,
                                             const struct trace_references *from, uint64_t before) {
  uint64_t back = trace_columns_uv(columns, which);
  if (back == 0) {
    return before + trace_columns_sv(columns, TRACE_COLUMN_ADDRESS);
  }
  if (__builtin_expect(back > TRACE_REFERENCE_MAX || back > from->count, 0)) {
    columns->bad = true;
    return 0;
  }
  return from->ring[(from->count - back) % TRACE_REFERENCE_MAX];
}

static inline uint64_t trace_columns_stack(struct trace_columns *columns) {
  uint64_t stack = columns->top + trace_columns_sv(columns, TRACE_COLUMN_STACK);
  columns->top = stack > columns->top ? stack : columns->top;
  return stack;
}

#endif
