/* An array that several may share: freed with its last reference. A holder is a reference that is kept for backward, as
 * autograd's SavedVariable is; the meter counts the bytes of tensors with at least one holder, each once. */
#ifndef ACTSCOPE_KERNELS_LAYERS_TENSOR_H
#define ACTSCOPE_KERNELS_LAYERS_TENSOR_H

#include "actscope/mark.h"
#include "kernels/layers/memory.h"

#include <stdint.h>

struct tensor {
  void *data; /* NULL in a dry meter and for no bytes */
  size_t bytes;
  enum memory_kind kind;
  enum actscope_type type; /* ACTSCOPE_FLOAT32 unless said otherwise: for marks */
  unsigned references, holders;
  struct memory *memory; /* borrowed: outlives the tensor */
};

/* A zeroed tensor with one reference, for tensor_drop; NULL if there is no memory. */
struct tensor *tensor_new(struct memory *memory, enum memory_kind kind, size_t bytes);
/* The same, its contents undefined: for what is written whole at once. */
struct tensor *tensor_new_raw(struct memory *memory, enum memory_kind kind, size_t bytes);

static inline float *tensor_floats(const struct tensor *tensor) {
  return (float *)tensor->data;
}

/* One more reference, or one less; return the tensor itself. NULL is allowed. */
struct tensor *tensor_keep(struct tensor *tensor);
void tensor_drop(struct tensor *tensor);

/* The same for a reference that a layer's saved struct keeps for backward. Parameters and the batch do not count as
 * saved, as in the reports. */
struct tensor *tensor_hold(struct tensor *tensor);
void tensor_release(struct tensor *tensor);

/* Marks what has been held since the last call as kept by this op; NULL: forgets it, nobody keeps it. */
void tensor_mark_holds(struct memory *memory, const char *op);

#endif
