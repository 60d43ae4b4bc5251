#include "kernels/layers/embedding.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/op.h"

#include <string.h>

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

size_t embedding_check(const struct embedding_shape *shape, const int32_t *index) {
  size_t i = 0;
  while (i < shape->count && index[i] >= 0 && (size_t)index[i] < shape->rows) {
    i++;
  }
  return i;
}

void embedding_forward(const struct embedding_shape *shape, const int32_t *index, const float *table, float *y) {
  const size_t width = shape->width;
#pragma omp parallel for schedule(static) if (shape->count * width > PARALLEL_ELEMENTS)
  for (size_t i = 0; i < shape->count; i++) {
    memcpy(y + i * width, table + (size_t)index[i] * width, width * sizeof *y);
  }
}

/* Rows of the table are shared out, and each thread passes over all indices for its own: no row is written by two, and
 * each gets its summands in order. */
enum { EMBEDDING_SHARES = 16 };

static void backward_share(const struct embedding_shape *shape, const int32_t *index, const float *dy, float *dtable,
                           size_t share) {
  for (size_t i = 0; i < shape->count; i++) {
    if ((size_t)index[i] % EMBEDDING_SHARES != share) {
      continue;
    }
    const float *from = dy + i * shape->width;
    float *to = dtable + (size_t)index[i] * shape->width;
    for (size_t j = 0; j < shape->width; j++) {
      to[j] += from[j];
    }
  }
}

void embedding_backward(const struct embedding_shape *shape, const int32_t *index, const float *dy, float *dtable) {
#pragma omp parallel for schedule(dynamic) if (shape->count * shape->width > PARALLEL_ELEMENTS)
  for (size_t share = 0; share < EMBEDDING_SHARES; share++) {
    backward_share(shape, index, dy, dtable, share);
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct embedding_saved {
  struct tensor *index;
  struct embedding_shape shape;
};

static void release(void *saved) {
  tensor_release(((struct embedding_saved *)saved)->index);
}

static void backward(struct tape *tape, struct node *node) {
  const struct embedding_saved *s = (const void *)node->saved;
  float *dtable = tape_gradient(tape, node->inputs[0]);
  if (dtable) {
    embedding_backward(&s->shape, s->index->data, tensor_floats(node->output->gradient), dtable);
  }
}

static const struct node_ops ops = {"embedding", backward, release};

struct value *op_embedding(struct tape *tape, struct tensor *index, size_t count, struct value *table) {
  if (!op_has(tape, ops.op, table)) {
    return NULL;
  }
  if (!index || index->bytes < count * sizeof(int32_t) || table->dims != 2) {
    tape_fail(tape, ERROR_USAGE,
              "%s: embedding: %zu indices of a table of %u dimensions; an index is NULL or too short", tape->scope,
              count, table->dims);
    return NULL;
  }
  struct embedding_saved saved = {.shape = {count, table->shape[0], table->shape[1]}};
  const size_t bad = index->data ? embedding_check(&saved.shape, index->data) : count;
  if (bad < count) {
    tape_fail(tape, ERROR_INPUT, "%s: embedding: index %zu is %d; the table has %zu rows", tape->scope, bad,
              (int)((const int32_t *)index->data)[bad], saved.shape.rows);
    return NULL;
  }
  struct value *y = tape_result(tape, (size_t[]){count, saved.shape.width}, 2);
  if (y && tensor_floats(y->tensor) && index->data) {
    embedding_forward(&saved.shape, index->data, tensor_floats(table->tensor), tensor_floats(y->tensor));
  }
  saved.index = tensor_hold(index);
  return tape_node(tape, &ops, y, &table, 1, &saved, sizeof saved);
}
