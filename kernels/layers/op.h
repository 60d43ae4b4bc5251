/* What the ops share. Private to the layers. */
#ifndef ACTSCOPE_KERNELS_LAYERS_OP_H
#define ACTSCOPE_KERNELS_LAYERS_OP_H

#include "kernels/layers/ops.h"

/* Of the last dimension, and how many rows of it there are; a scalar is one row of one. */
static inline size_t value_width(const struct value *value) {
  return value->dims > 0 ? value->shape[value->dims - 1] : 1;
}
static inline size_t value_rows(const struct value *value) {
  const size_t width = value_width(value);
  return width > 0 ? value_count(value) / width : 0;
}

static inline bool value_wants_gradient(const struct value *value) {
  return value && value->needs_gradient;
}

bool value_same_shape(const struct value *a, const struct value *b);

/* Is it all there: not NULL, and its tensor not forgotten? An op asks this of every input; if not, the tape's status is
 * set. */
bool op_has(struct tape *tape, const char *op, const struct value *input);

/* A tensor of a type and so many bytes, contents undefined, that only the op's saved struct holds. NULL with the status set. */
struct tensor *op_hold_new(struct tape *tape, enum actscope_type type, size_t bytes);

/* Shapes that do not fit: sets the status, and returns NULL for the op to return. */
struct value *op_misfit(struct tape *tape, const char *op, const struct value *a, const struct value *b);

#endif
