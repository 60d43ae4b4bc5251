/* Picks the eligible blocks and puts them in order. */
#include "analyzers/eligible.h"

#include "analyzers/dtype.h"
#include "common/error.h"
#include "trace/trace_format.h"

#include <stdlib.h>
#include <string.h>

/* Autograd's names are those of torch.nn.functional but for one. */
static const char *function_of(const char *op) {
  return strcmp(op, "log_sigmoid") == 0 ? "logsigmoid" : op;
}

/* Where a save was inferred its type is not known: its elements were counted as if they were floats. */
static const char *type_of(const struct facts_saved_block *block) {
  return strcmp(block->dtype, dtype_name(TRACE_DTYPE_UNKNOWN)) == 0 ? "float32" : block->dtype;
}

static int by_save(const void *a, const void *b) {
  const struct eligible *x = a, *y = b;
  return (x->save_ns > y->save_ns) - (x->save_ns < y->save_ns);
}

int eligible_list(const struct facts *facts, struct eligible **list, size_t *count) {
  struct eligible *made = calloc(facts->saved_count + 1, sizeof *made);
  *list = NULL;
  *count = 0;
  if (!made) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < facts->saved_count; i++) {
    const struct facts_saved_block *block = &facts->saved[i];
    if (block->eligible && block->holders_count) {
      const struct facts_holder *holder = block->holders;
      made[(*count)++] = (struct eligible){function_of(holder->op), type_of(block), block->layer,
                                           block->elements,         block->bytes,   holder->save_ns};
    }
  }
  if (*count == 0) {
    free(made);
    return 0;
  }
  qsort(made, *count, sizeof *made, by_save);
  *list = made;
  return 0;
}
