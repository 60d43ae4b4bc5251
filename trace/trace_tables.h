/* The tables of a trace: stacks, strings, modules, codes, metadata, collected from its tables chunks. Private to trace/. */
#ifndef ACTSCOPE_TRACE_TABLES_H
#define ACTSCOPE_TRACE_TABLES_H

#include "trace/trace_file.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Grows by doubling; count elements of some size. */
struct trace_array {
  void *items;
  size_t count, room;
};

/* The bytes of a string; the frames of a stack from the innermost on. */
struct trace_span {
  uint64_t begin;
  uint32_t size;
  bool known;
};

/* Stacks stay a tree, as the file has them: a million stacks of a Python program have 50 frames each, and share all but
 * a few. What has been asked for is put together once and kept. */
struct trace_stack_cache {
  uint64_t **stacks; /* by id */
};

struct trace_tables {
  struct trace_array frames;  /* uint64_t: addresses */
  struct trace_array parents; /* uint32_t: of each frame the next outer one, 0 = it is the outermost */
  struct trace_stack_cache cache;
  struct trace_array stacks;     /* struct trace_span, by id */
  struct trace_array bytes;      /* of all strings, each with a NUL behind it */
  struct trace_array strings;    /* struct trace_span, by id */
  struct trace_array modules;    /* struct trace_module, by from_ns, once ended */
  struct trace_array changes;    /* struct module_change, in the order of the file */
  struct trace_array metas;      /* two uint32_t each: key, value */
  struct trace_array codes;      /* struct trace_code, by id, once ended */
  struct trace_array code_names; /* two uint32_t each, by the code's id: file, name */
  uint64_t id_limit;             /* ids are given out in order, so none is larger than the bytes of all tables */
  bool lenient;                  /* the file is known to lack something: names that are missing are "" */
};

/* Takes in the records of one chunk. NULL if all is well; else what is wrong, a static string. Out of memory is
 * trace_tables_no_memory. */
const char *trace_tables_add(struct trace_tables *tables, const struct trace_payload *payload);
extern const char trace_tables_no_memory[];

/* Resolves modules and codes when every chunk has been added. */
const char *trace_tables_end(struct trace_tables *tables);
void trace_tables_fini(struct trace_tables *tables); /* zeroed is fine */

/* NULL and *count = 0 if there is no such stack (or no memory for it). */
const uint64_t *trace_tables_stack(struct trace_tables *tables, uint64_t id, size_t *count);
/* NULL if there is no such string. */
const char *trace_tables_string(const struct trace_tables *tables, uint64_t id, size_t *size);
/* The value of the last META record with this key, "" if there is none. */
const char *trace_tables_meta(const struct trace_tables *tables, const char *key);

#endif
