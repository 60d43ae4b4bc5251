/* Makes a trace of what another tool has recorded, through trace's own writer: what importers share.
 *
 * Records go into a raw trace beside the target, which trace_finish packs when all is written. Texts, codes and stacks
 * are interned here. The first failure is kept: everything after it does nothing, and run_writer_end tells it. */
#ifndef ACTSCOPE_IMPORTERS_RUN_WRITER_H
#define ACTSCOPE_IMPORTERS_RUN_WRITER_H

#include "common/error.h"
#include "importers/intern.h"
#include "trace/trace_writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct run_chunk { /* of one kind, as it is filled */
  enum trace_chunk_kind kind;
  uint8_t *bytes;
  uint32_t sequence;
  struct trace_chunk_writer writer;
};

struct run_writer {
  const char *target;
  char *raw; /* NULL: no file to be removed */
  FILE *file;
  struct trace_file_header header;
  struct run_chunk tables, events;
  struct intern strings, codes, stacks;
  uint64_t previous[TRACE_STACK_DEPTH_MAX]; /* the stack that the tables chunk's last STACK holds */
  size_t previous_count;
  uint64_t time_ns; /* of the last event */
  int code;         /* the first failure */
  struct error err; /* its message */
};

/* header: what is known of the run; its end, and the flag that says so, are set when it ends. target and the command are
 * borrowed. */
int run_writer_open(struct run_writer *writer, const char *target, const struct trace_file_header *header,
                    struct error *err);

/* Numbers for records; 0 after a failure. A text of no bytes is 0, too. */
uint32_t run_writer_string(struct run_writer *writer, const char *text, size_t size);
uint32_t run_writer_code(struct run_writer *writer, uint32_t file, uint32_t name);
/* Frames innermost first; beyond the deepest that a trace can hold, the outer ones are left out. None is stack 0. */
uint32_t run_writer_stack(struct run_writer *writer, const uint64_t *frames, size_t count);
void run_writer_meta(struct run_writer *writer, const char *key, const char *value);

/* Events, in time order. */
void run_writer_alloc(struct run_writer *writer, uint64_t time_ns, uint64_t address, uint64_t size, uint32_t stack);
void run_writer_free(struct run_writer *writer, uint64_t time_ns, uint64_t address, uint32_t stack,
                     enum trace_free_kind kind);
void run_writer_map(struct run_writer *writer, uint64_t time_ns, uint64_t address, uint64_t size, uint32_t stack,
                    bool unmap);

/* Whatever else goes wrong while the events are gathered. */
void run_writer_fail(struct run_writer *writer, int code, const struct error *err);

/* Finishes the trace, which has its name then. `progress` may be NULL. */
int run_writer_end(struct run_writer *writer, void (*progress)(void *context, double share), void *context,
                   struct error *err);
/* Removes what has not been ended; zeroed is fine. */
void run_writer_fini(struct run_writer *writer);

#endif
