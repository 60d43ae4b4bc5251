/* Looks up built-in tables. */
#include "kernels/quantizer_exact.h"
#include "kernels/quantizer_tables.h"

#include <string.h>

static int from_stored(struct quantizer *quantizer, const struct function *function,
                       const struct quantizer_table *table, struct error *err) {
  int code = quantizer_from_table(quantizer, function, table->breakpoints, table->codes, table->intervals,
                                  table->levels, table->levels_count, err);
  quantizer->bits = table->bits;
  quantizer->method = table->method;
  quantizer->error = table->error;
  quantizer->cosine = table->cosine;
  quantizer->lower_bound = table->lower_bound;
  quantizer->residual = table->residual;
  return code;
}

int quantizer_builtin(struct quantizer *quantizer, enum function_id id, unsigned bits, enum quantizer_method method,
                      struct error *err) {
  struct function function;
  if ((unsigned)id >= FUNCTION_STEPWISE) {
    return error_set(err, ERROR_USAGE, "no tables are built in for a user's own functions");
  }
  function_init(&function, id);
  for (unsigned i = 0; i < quantizer_tables_count; i++) {
    const struct quantizer_table *table = &quantizer_tables[i];
    if (table->function == id && table->bits == bits && table->method == method) {
      return from_stored(quantizer, &function, table, err);
    }
  }
  *quantizer = (struct quantizer){.function = id, .bits = bits, .method = method, .weight = weight_default};
  memcpy(quantizer->params, function.params, sizeof quantizer->params);
  strncpy(quantizer->name, function_name(&function), sizeof quantizer->name - 1);
  if (bits >= 1 && bits <= QUANTIZER_BITS_MAX && quantizer_exact(quantizer, &function)) {
    return 0;
  }
  return error_set(err, ERROR_USAGE, "%s: no table of %u bits is built in; fit one", function_name(&function), bits);
}
