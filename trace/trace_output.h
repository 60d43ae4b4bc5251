/* A finished trace as it is written: a temporary file beside its target that takes the target's name when it is whole.
 * Private to trace/. */
#ifndef ACTSCOPE_TRACE_OUTPUT_H
#define ACTSCOPE_TRACE_OUTPUT_H

#include "common/error.h"
#include "trace/trace_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct trace_output {
  char *target, *temporary; /* temporary NULL: nothing to remove */
  FILE *file;
  uint8_t *header; /* of the trace, patched and written last */
  size_t header_size;
  uint64_t chunks, size;
  void *zstd; /* ZSTD_CCtx; NULL: do not compress */
  uint8_t *packed;
  size_t packed_room;
};

/* The file gets the permissions of `mode`, and header's first bytes as its header. */
int trace_output_open(struct trace_output *output, const char *target, unsigned mode, const uint8_t *header,
                      size_t header_size, bool compress, struct error *err);

/* Appends a chunk: what is said of it in `chunk` (kind, flags, stream, sequence, time_ns, tid, small), and its payload. */
int trace_output_add(struct trace_output *output, const struct trace_chunk *chunk, const uint8_t *payload, size_t size,
                     struct error *err);

/* Writes the header and gives the file its name. */
int trace_output_end(struct trace_output *output, int exit_status, struct error *err);

/* Removes what has not been ended; zeroed is fine. */
void trace_output_fini(struct trace_output *output);

#endif
