/* What a trace says once and events refer to by number: stacks, strings, modules, codes. In chunks of their own.
 *
 * tables_find_stack may be called by any thread at once; everything else with the recorder's lock held. */
#ifndef ACTSCOPE_PROFILER_TABLES_H
#define ACTSCOPE_PROFILER_TABLES_H

#include "profiler/run_file.h"
#include "profiler/stack_key.h"
#include "trace/trace_writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts empty tables of a new trace (also in a child after fork, where the parent's are forgotten). */
bool tables_init(struct run_file *file);

/* The id of a stack that is in the trace already; 0 when it is not. Lock-free. */
uint32_t tables_find_stack(const struct stack_key *key);
/* Writes it if need be, frames innermost first; 0 when there is no room for it. */
uint32_t tables_add_stack(const struct stack_key *key, const uint64_t *frames, size_t count);

/* Writes a string, returns its id; 0 when that was not possible or the string is empty. */
uint32_t tables_add_string(const void *bytes, size_t size);

/* The id of a function that frames name themselves (TRACE_TAG_CODE), written if it is new; 0 when there is no room for it. */
uint32_t tables_add_code(const char *file, size_t file_size, const char *name, size_t name_size);
void tables_add_meta(const char *key, const char *value);
void tables_add_module(const struct trace_module_record *module);
void tables_remove_module(uint64_t begin);

#endif
