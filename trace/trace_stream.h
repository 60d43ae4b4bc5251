/* One stream of a trace, a thread's chunks one behind the other, decoded record by record. Private to trace/. */
#ifndef ACTSCOPE_TRACE_STREAM_H
#define ACTSCOPE_TRACE_STREAM_H

#include "trace/trace_columns.h"
#include "trace/trace_decode.h"
#include "trace/trace_file.h"
#include "trace/trace_reader.h"
#include "trace/trace_tables.h"

#include <stdbool.h>
#include <stdint.h>

struct trace_stream {
  /* The record that comes next: its tag and time are decoded already, so that streams can be merged by time. In a chunk
   * of columns, at and end are those of the rest column. */
  const uint8_t *at; /* behind its dt */
  const uint8_t *end;
  const uint8_t *record_end;     /* of a long record */
  struct trace_columns *columns; /* NULL: the chunk is one of rows */
  uint64_t time_ns;              /* if nothing is ready: what comes is not earlier */
  uint64_t address;
  uint32_t tid;
  uint8_t tag;
  bool ready;

  uint32_t index;     /* among the streams: the smaller goes first where times are equal */
  size_t first, last; /* chunks [first, last) of the file are this stream's */
  size_t chunk, next; /* the one being read; the one to load then */
  uint64_t small[4];  /* pending sums of the chunk being read */
  const struct trace_tables *tables;
  struct trace_payload payload;
  struct trace_columns *columns_owned; /* made when the first such chunk comes */
};

/* Frees what reading has taken; the stream can be rewound. */
void trace_stream_release(struct trace_stream *stream);
void trace_stream_rewind(struct trace_stream *stream, const struct trace_file *file);

/* Loads the next chunk and makes its first record ready, if it has one. */
int trace_stream_load(struct trace_stream *stream, struct trace_file *file, struct error *err);

/* Decodes the record that is ready into *event and makes the next one of the chunk ready, if there is one. NULL, or what
 * is wrong with the chunk. */
const char *trace_stream_take(struct trace_stream *stream, struct trace_event *event);

#endif
