/* What a trace is, in numbers and in one sentence: fills in struct trace_info. Private to trace/. */
#ifndef ACTSCOPE_TRACE_DESCRIBE_H
#define ACTSCOPE_TRACE_DESCRIBE_H

#include "trace/trace_file.h"
#include "trace/trace_reader.h"
#include "trace/trace_tables.h"

/* Owns what info points to. */
struct trace_description {
  struct trace_info info;
  char damage[512];
  char *command;
  const char **argv;
};

/* end_ns: time of the last record, for a process whose end was not seen. */
int trace_describe(struct trace_description *description, const struct trace_file *file,
                   const struct trace_tables *tables, size_t streams, uint64_t end_ns, struct error *err);
void trace_description_fini(struct trace_description *description); /* zeroed is fine */

#endif
