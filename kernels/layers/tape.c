#include "kernels/layers/tape.h"

#include "kernels/layers/arithmetic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t value_count(const struct value *value) {
  size_t count = 1;
  for (unsigned i = 0; i < value->dims; i++) {
    count *= value->shape[i];
  }
  return count;
}

/* ---- the tape ---------------------------------------------------------------------------------------------------- */

void tape_init(struct tape *tape, struct memory *memory) {
  memset(tape, 0, sizeof *tape);
  tape->memory = memory;
  tape->saved_seen = memory->saved;
}

static void release(struct tape *tape, struct node *node) {
  if (!node->done) {
    node->done = true;
    tape->memory->releasing = node->ops->op;
    node->ops->release(node->saved);
    tape->memory->releasing = NULL;
  }
}

static void drop(struct tensor **tensor) {
  tensor_drop(*tensor);
  *tensor = NULL;
}

void tape_fini(struct tape *tape) {
  for (size_t i = tape->nodes_count; i-- > 0;) {
    release(tape, &tape->nodes[i]);
  }
  for (size_t i = tape->values_count; i-- > 0;) {
    drop(&tape->values[i]->tensor);
    drop(&tape->values[i]->gradient);
    free(tape->values[i]);
  }
  free(tape->nodes);
  free(tape->values);
  struct memory *memory = tape->memory;
  memset(tape, 0, sizeof *tape);
  tape->memory = memory;
}

int tape_fail(struct tape *tape, int code, const char *format, ...) {
  if (tape->status < 0) {
    return tape->status;
  }
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(tape->error.message, sizeof tape->error.message, format, arguments);
  va_end(arguments);
  tape->status = code;
  return code;
}

static int out_of_memory(struct tape *tape, size_t bytes) {
  return tape_fail(tape, ERROR_MEMORY, "%s: no memory for %zu bytes more; take a smaller batch or model",
                   tape->scope[0] ? tape->scope : "layers", bytes);
}

void tape_enter(struct tape *tape, const char *format, ...) {
  size_t length = strlen(tape->scope);
  if (tape->scope_depth < TAPE_DEPTH) {
    tape->scope_lengths[tape->scope_depth] = (unsigned char)length;
  }
  tape->scope_depth++;
  if (length > 0 && length + 1 < sizeof tape->scope) {
    tape->scope[length++] = '.';
    tape->scope[length] = '\0';
  }
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(tape->scope + length, sizeof tape->scope - length, format, arguments);
  va_end(arguments);
}

void tape_leave(struct tape *tape) {
  if (tape->scope_depth > 0 && --tape->scope_depth < TAPE_DEPTH) {
    tape->scope[tape->scope_lengths[tape->scope_depth]] = '\0';
  }
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* Room for one more of `size` bytes each; the array may move. */
static int reserve(struct tape *tape, void **array, size_t count, size_t *capacity, size_t size) {
  if (count < *capacity) {
    return 0;
  }
  const size_t wanted = *capacity ? 2 * *capacity : 64;
  void *moved = realloc(*array, wanted * size);
  if (!moved) {
    return out_of_memory(tape, wanted * size);
  }
  *array = moved;
  *capacity = wanted;
  return 0;
}

static struct value *add_value(struct tape *tape) {
  void *values = tape->values;
  if (reserve(tape, &values, tape->values_count, &tape->values_capacity, sizeof *tape->values) < 0) {
    return NULL;
  }
  tape->values = values;
  struct value *value = calloc(1, sizeof *value);
  if (!value) {
    out_of_memory(tape, sizeof *value);
    return NULL;
  }
  tape->values[tape->values_count++] = value;
  return value;
}

/* tensor NULL: made with `make`. */
static struct value *new_value(struct tape *tape, struct tensor *tensor, const size_t *shape, unsigned dims,
                               struct tensor *(*make)(struct memory *, enum memory_kind, size_t)) {
  struct value *value = tape->status < 0 ? NULL : add_value(tape);
  if (!value) {
    tensor_drop(tensor);
    return NULL;
  }
  if (dims > 0) {
    memcpy(value->shape, shape, dims * sizeof *shape);
  }
  value->dims = dims;
  const size_t bytes = value_count(value) * sizeof(float);
  value->tensor = tensor ? tensor : make(tape->memory, MEMORY_ACTIVATION, bytes);
  if (!value->tensor) {
    out_of_memory(tape, bytes);
    return NULL;
  }
  return value;
}

struct value *tape_value(struct tape *tape, struct tensor *tensor, const size_t *shape, unsigned dims) {
  return new_value(tape, tensor, shape, dims, tensor_new);
}

struct value *tape_result(struct tape *tape, const size_t *shape, unsigned dims) {
  return new_value(tape, NULL, shape, dims, tensor_new_raw);
}

struct value *tape_input(struct tape *tape, struct tensor *tensor, const size_t *shape, unsigned dims) {
  return tape_value(tape, tensor_keep(tensor), shape, dims);
}

void tape_forget(struct tape *tape, struct value *value) {
  (void)tape;
  if (value && !value->parameter) {
    drop(&value->tensor);
  }
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static bool any_needs_gradient(const struct tape *tape, struct value *const *inputs, unsigned count) {
  bool any = false;
  for (unsigned i = 0; i < count; i++) {
    any |= inputs[i] && inputs[i]->needs_gradient;
  }
  return any && !tape->inference;
}

static struct node *add_node(struct tape *tape, const struct node_ops *ops, struct value *output) {
  void *nodes = tape->nodes;
  if (reserve(tape, &nodes, tape->nodes_count, &tape->nodes_capacity, sizeof *tape->nodes) < 0) {
    return NULL;
  }
  tape->nodes = nodes;
  struct node *node = &tape->nodes[tape->nodes_count++];
  memset(node, 0, sizeof *node);
  node->ops = ops;
  node->output = output;
  memcpy(node->layer, tape->scope, sizeof node->layer);
  return node;
}

/* The op's saved struct as it stands with the caller: const there, but what it refers to is released. */
static void release_unused(const struct node_ops *ops, const void *saved, size_t size) {
  _Alignas(16) unsigned char copy[TAPE_SAVED_SIZE] = {0};
  memcpy(copy, saved, size);
  ops->release(copy);
}

/* Tells a recording, if there is one, what this op keeps, and for which layer. */
static void mark_holds(struct tape *tape, const char *op) {
  if (!tape->memory->dry) {
    actscope_mark_layer(tape->scope);
  }
  tensor_mark_holds(tape->memory, op);
}

struct value *tape_node(struct tape *tape, const struct node_ops *ops, struct value *output,
                        struct value *const *inputs, unsigned inputs_count, const void *saved, size_t size) {
  const bool wanted = output && tape->status == 0 && any_needs_gradient(tape, inputs, inputs_count);
  struct node *node = wanted ? add_node(tape, ops, output) : NULL;
  if (!node) {
    tensor_mark_holds(tape->memory, NULL);
    release_unused(ops, saved, size);
    tape->saved_seen = tape->memory->saved;
    return tape->status < 0 ? NULL : output;
  }
  memcpy(node->inputs, inputs, inputs_count * sizeof(struct value *));
  memcpy(node->saved, saved, size);
  mark_holds(tape, ops->op);
  node->saved_bytes = tape->memory->saved - tape->saved_seen;
  tape->saved_seen = tape->memory->saved;
  output->needs_gradient = true;
  return output;
}

/* ---- gradients --------------------------------------------------------------------------------------------------- */

static size_t gradient_bytes(const struct value *value) {
  return value_count(value) * sizeof(float);
}

static struct tensor *gradient_new(struct tape *tape, const struct value *value) {
  const enum memory_kind kind = value->parameter ? MEMORY_GRADIENT : MEMORY_ACTIVATION;
  struct tensor *gradient = tensor_new_raw(tape->memory, kind, gradient_bytes(value));
  if (!gradient) {
    out_of_memory(tape, gradient_bytes(value));
  }
  return gradient;
}

/* Makes a shared gradient value's own. */
static void gradient_unshare(struct tape *tape, struct value *value) {
  struct tensor *own = gradient_new(tape, value);
  if (own && own->data) {
    memcpy(own->data, value->gradient->data, own->bytes);
  }
  if (own) {
    tensor_drop(value->gradient);
    value->gradient = own;
  }
}

float *tape_gradient_beta(struct tape *tape, struct value *value, float *beta) {
  *beta = 1;
  if (!value || !value->needs_gradient || tape->status < 0) {
    return NULL;
  }
  if (!value->gradient) {
    *beta = 0;
    value->gradient = gradient_new(tape, value);
  } else if (value->gradient->references > 1) {
    gradient_unshare(tape, value);
  }
  return tape->status < 0 ? NULL : tensor_floats(value->gradient);
}

float *tape_gradient(struct tape *tape, struct value *value) {
  float beta = 1;
  float *gradient = tape_gradient_beta(tape, value, &beta);
  if (gradient && beta == 0) {
    memset(gradient, 0, gradient_bytes(value));
  }
  return gradient;
}

void tape_pass_gradient(struct tape *tape, struct value *value, struct tensor *gradient) {
  if (value && value->needs_gradient && !value->gradient && !value->parameter && tape->status == 0) {
    value->gradient = tensor_keep(gradient);
    return;
  }
  float *sum = tape_gradient(tape, value);
  if (sum) {
    add_into(sum, tensor_floats(gradient), value_count(value));
  }
}

float *tape_scratch_take(struct tape *tape, size_t count) {
  const size_t bytes = count * sizeof(float);
  float *data = memory_take_raw(tape->memory, MEMORY_TEMPORARY, bytes);
  if (!data && bytes > 0 && !tape->memory->dry) {
    out_of_memory(tape, bytes);
  }
  return data;
}

void tape_scratch_free(struct tape *tape, float *data, size_t count) {
  if (data || tape->memory->dry) {
    memory_free(tape->memory, MEMORY_TEMPORARY, data, count * sizeof(float));
  }
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

/* Through one node; what only it needed goes. */
static void step_back(struct tape *tape, struct node *node) {
  if (node->output->gradient && tape->status == 0) {
    node->ops->backward(tape, node);
  }
  release(tape, node);
  drop(&node->output->gradient);
}

static void mark_backward(const struct tape *tape, int begins) {
  if (!tape->memory->dry) {
    actscope_mark_backward(begins);
  }
}

int tape_backward(struct tape *tape, struct value *loss) {
  if (tape->status < 0 || !loss) {
    return tape->status;
  }
  if (value_count(loss) != 1) {
    return tape_fail(tape, ERROR_USAGE, "backward: the loss has %zu elements; it must be one number",
                     value_count(loss));
  }
  float *gradient = tape_gradient(tape, loss);
  if (gradient) {
    *gradient = 1;
  }
  mark_backward(tape, 1);
  for (size_t i = tape->nodes_count; i-- > 0 && tape->status == 0;) {
    step_back(tape, &tape->nodes[i]);
  }
  mark_backward(tape, 0);
  return tape->status;
}
