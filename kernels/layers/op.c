#include "kernels/layers/op.h"

#include <stdio.h>
#include <string.h>

bool value_same_shape(const struct value *a, const struct value *b) {
  return a->dims == b->dims && memcmp(a->shape, b->shape, a->dims * sizeof *a->shape) == 0;
}

bool op_has(struct tape *tape, const char *op, const struct value *input) {
  if (tape->status < 0) {
    return false;
  }
  if (!input || !input->tensor) {
    tape_fail(tape, ERROR_USAGE, "%s: %s: an input is %s", tape->scope, op,
              input ? "forgotten already (tape_forget)" : "NULL");
    return false;
  }
  return true;
}

struct tensor *op_hold_new(struct tape *tape, enum actscope_type type, size_t bytes) {
  struct tensor *tensor = NULL;
  if (tape->status == 0) {
    tensor = tensor_new_raw(tape->memory, MEMORY_ACTIVATION, bytes);
    if (!tensor) {
      tape_fail(tape, ERROR_MEMORY, "%s: no memory for %zu bytes more; take a smaller batch or model", tape->scope,
                bytes);
    } else {
      tensor->type = type;
    }
  }
  tensor_hold(tensor);
  tensor_drop(tensor); /* the holder's reference is the only one */
  return tensor;
}

struct shape_text {
  char text[96];
};

static struct shape_text describe(const struct value *value) {
  struct shape_text out = {"("};
  size_t length = 1;
  for (unsigned i = 0; i < value->dims; i++) {
    length += (size_t)snprintf(out.text + length, sizeof out.text - length, "%s%zu", i ? ", " : "", value->shape[i]);
  }
  snprintf(out.text + length, sizeof out.text - length, ")");
  return out;
}

struct value *op_misfit(struct tape *tape, const char *op, const struct value *a, const struct value *b) {
  tape_fail(tape, ERROR_USAGE, "%s: %s: shapes %s and %s do not fit together", tape->scope, op, describe(a).text,
            describe(b).text);
  return NULL;
}
