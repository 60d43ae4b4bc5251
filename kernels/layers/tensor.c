#include "kernels/layers/tensor.h"

#include <stdbool.h>
#include <stdlib.h>

typedef void *take_function(struct memory *memory, enum memory_kind kind, size_t bytes);

static struct tensor *make(struct memory *memory, enum memory_kind kind, size_t bytes, take_function *take) {
  struct tensor *tensor = calloc(1, sizeof *tensor);
  if (!tensor) {
    return NULL;
  }
  tensor->data = take(memory, kind, bytes);
  if (!tensor->data && bytes > 0 && !memory->dry) {
    free(tensor);
    return NULL;
  }
  tensor->bytes = bytes;
  tensor->kind = kind;
  tensor->references = 1;
  tensor->type = ACTSCOPE_FLOAT32;
  tensor->memory = memory;
  if (kind == MEMORY_PARAMETER && tensor->data) {
    actscope_mark_parameter(tensor->data, bytes, NULL);
  }
  return tensor;
}

struct tensor *tensor_new(struct memory *memory, enum memory_kind kind, size_t bytes) {
  return make(memory, kind, bytes, memory_take);
}

struct tensor *tensor_new_raw(struct memory *memory, enum memory_kind kind, size_t bytes) {
  return make(memory, kind, bytes, memory_take_raw);
}

struct tensor *tensor_keep(struct tensor *tensor) {
  if (tensor) {
    tensor->references++;
  }
  return tensor;
}

void tensor_drop(struct tensor *tensor) {
  if (tensor && --tensor->references == 0) {
    memory_free(tensor->memory, tensor->kind, tensor->data, tensor->bytes);
    free(tensor);
  }
}

static bool counts_as_saved(const struct tensor *tensor) {
  return tensor->kind != MEMORY_PARAMETER && tensor->kind != MEMORY_INPUT;
}

static size_t type_size(enum actscope_type type) {
  return type == ACTSCOPE_UINT8 ? 1 : type == ACTSCOPE_INT64 ? 8 : sizeof(float);
}

void tensor_mark_holds(struct memory *memory, const char *op) {
  for (unsigned i = 0; op && i < memory->holds_count; i++) {
    const struct tensor *tensor = memory->holds[i];
    actscope_mark_save(tensor->data, tensor->bytes / type_size(tensor->type), tensor->type, op);
  }
  memory->holds_count = 0;
}

struct tensor *tensor_hold(struct tensor *tensor) {
  if (tensor && tensor->data && counts_as_saved(tensor) && tensor->memory->holds_count < MEMORY_HOLDS) {
    tensor->memory->holds[tensor->memory->holds_count++] = tensor;
  }
  if (tensor && tensor->holders++ == 0 && counts_as_saved(tensor)) {
    memory_hold(tensor->memory, tensor->bytes);
  }
  return tensor_keep(tensor);
}

void tensor_release(struct tensor *tensor) {
  if (tensor && tensor->memory->releasing && tensor->data && counts_as_saved(tensor)) {
    actscope_mark_release(tensor->data, tensor->memory->releasing);
  }
  if (tensor && --tensor->holders == 0 && counts_as_saved(tensor)) {
    memory_release(tensor->memory, tensor->bytes);
  }
  tensor_drop(tensor);
}
