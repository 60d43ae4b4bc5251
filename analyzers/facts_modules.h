/* The ELF files that frames name, with their build ids. */
#ifndef ACTSCOPE_ANALYZERS_FACTS_MODULES_H
#define ACTSCOPE_ANALYZERS_FACTS_MODULES_H

#include "analyzers/facts.h"
#include "analyzers/symbols.h"
#include "trace/trace_reader.h"

/* Fills in facts->modules with those of the trace's modules that facts->stacks name, which `symbols` has named. 0, or
 * ERROR_MEMORY. */
int facts_list_modules(struct facts *facts, const struct trace_module *modules, size_t count,
                       const struct symbols *symbols);

/* The one of this base name; NULL: there is none. */
const struct facts_module *facts_find_module(const struct facts *facts, const char *name);

#endif
