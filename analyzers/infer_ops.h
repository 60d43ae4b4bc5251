/* Names for what saved blocks are, in programs without a framework: the functions that allocated them. */
#ifndef ACTSCOPE_ANALYZERS_INFER_OPS_H
#define ACTSCOPE_ANALYZERS_INFER_OPS_H

#include "analyzers/symbols.h"
#include "trace/trace_reader.h"

#include <stddef.h>
#include <stdint.h>

struct infer_ops {
  const struct trace_reader *reader; /* borrowed, like symbols */
  struct symbols *symbols;
  const char **names; /* by stack; "" unknown, NULL: not asked for */
  uint32_t stacks_limit;
};

/* Names these allocation stacks (each once): by the innermost function of the program, but for helpers that allocate for most of
 * the others (xmalloc, tensor_new): those go by who calls them. 0, or ERROR_MEMORY; infer_ops_fini is due in any case. */
int infer_ops_init(struct infer_ops *ops, const struct trace_reader *reader, struct symbols *symbols,
                   const uint32_t *stacks, size_t count);
void infer_ops_fini(struct infer_ops *ops); /* zeroed is fine */

/* "gelu_forward"; "" if it is not known. Interned in symbols. */
const char *infer_ops_name(const struct infer_ops *ops, uint32_t stack);

#endif
