#include "kernels/layers/attention.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/matmul.h"
#include "kernels/layers/op.h"
#include "kernels/layers/rope.h"
#include "kernels/layers/softmax.h"

#include <math.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

enum {
  BLOCK = 64, /* rows whose probabilities are computed at once */
  SLOTS = 64, /* of scratch memory in backward, and so threads at most: a number that does not depend on the machine */
};

static size_t minimum(size_t a, size_t b) {
  return a < b ? a : b;
}

/* One head of one sequence, and some of its rows. */
struct block {
  size_t query, key, value; /* where they begin in qkv: row 0 of the head */
  size_t y;                 /* and in y */
  size_t probabilities;     /* row 0 */
  size_t first, count;      /* rows */
  size_t seen;              /* columns that any of them sees */
};

static size_t blocks(const struct attention *a) {
  return (a->rows + BLOCK - 1) / BLOCK;
}

static struct block block_at(const struct attention *a, size_t batch, size_t head, size_t number) {
  const size_t stride = attention_stride(a), key_head = head / (a->heads / a->key_heads);
  const size_t start = batch * a->rows * stride, first = number * BLOCK;
  const size_t end = minimum(first + BLOCK, a->rows);
  return (struct block){
      .query = start + head * a->width,
      .key = start + (a->heads + key_head) * a->width,
      .value = start + (a->heads + a->key_heads + key_head) * a->width,
      .y = (batch * a->rows * a->heads + head) * a->width,
      .probabilities = (batch * a->heads + head) * a->rows * a->rows,
      .first = first,
      .count = end - first,
      .seen = a->causal ? end : a->rows,
  };
}

static struct block block_of_task(const struct attention *a, size_t task) {
  const size_t head = task / blocks(a);
  return block_at(a, head / a->heads, head % a->heads, task % blocks(a));
}

static float scale(const struct attention *a) {
  return 1 / sqrtf((float)a->width);
}

static void look(const struct attention *a, const struct block *b, const float *qkv, float *probabilities) {
  const size_t stride = attention_stride(a);
  float *rows = probabilities + b->probabilities + b->first * a->rows;
  matmul_small(&(struct matmul){.m = b->count,
                                .n = b->seen,
                                .k = a->width,
                                .transpose_b = true,
                                .a = qkv + b->query + b->first * stride,
                                .a_stride = stride,
                                .b = qkv + b->key,
                                .b_stride = stride,
                                .c = rows,
                                .c_stride = a->rows,
                                .alpha = 1});
  for (size_t i = 0; i < b->count; i++) {
    const size_t seen = a->causal ? b->first + i + 1 : a->rows;
    softmax_row(rows + i * a->rows, scale(a), seen);
    memset(rows + i * a->rows + seen, 0, (a->rows - seen) * sizeof *rows);
  }
}

static void mix(const struct attention *a, const struct block *b, const float *probabilities, const float *qkv,
                float *y) {
  const size_t y_stride = a->heads * a->width;
  matmul_small(&(struct matmul){.m = b->count,
                                .n = a->width,
                                .k = b->seen,
                                .a = probabilities + b->probabilities + b->first * a->rows,
                                .a_stride = a->rows,
                                .b = qkv + b->value,
                                .b_stride = attention_stride(a),
                                .c = y + b->y + b->first * y_stride,
                                .c_stride = y_stride,
                                .alpha = 1});
}

void attention_look(const struct attention *attention, const float *qkv, float *probabilities, float *y) {
#pragma omp parallel for schedule(dynamic) if (attention_products(attention) > PARALLEL_PRODUCTS)
  for (size_t task = 0; task < attention->batch * attention->heads * blocks(attention); task++) {
    const struct block block = block_of_task(attention, task);
    look(attention, &block, qkv, probabilities);
    if (y) {
      mix(attention, &block, probabilities, qkv, y);
    }
  }
}

void attention_mix(const struct attention *attention, const float *probabilities, const float *qkv, float *y) {
#pragma omp parallel for schedule(dynamic) if (attention_products(attention) > PARALLEL_PRODUCTS)
  for (size_t task = 0; task < attention->batch * attention->heads * blocks(attention); task++) {
    const struct block block = block_of_task(attention, task);
    mix(attention, &block, probabilities, qkv, y);
  }
}

/* Back through y = p v, p being the dropped probabilities if any: dv += p^T dy, and dp into scratch (count, seen). */
static void unmix(const struct attention *a, const struct attention_kept *kept, const struct block *b, const float *dy,
                  float *dqkv, float *scratch) {
  const size_t stride = attention_stride(a), y_stride = a->heads * a->width;
  const float *mixed = kept->dropped ? kept->dropped : kept->probabilities;
  matmul_small(&(struct matmul){.m = b->seen,
                                .n = a->width,
                                .k = b->count,
                                .transpose_a = true,
                                .a = mixed + b->probabilities + b->first * a->rows,
                                .a_stride = a->rows,
                                .b = dy + b->y + b->first * y_stride,
                                .b_stride = y_stride,
                                .c = dqkv + b->value,
                                .c_stride = stride,
                                .alpha = 1,
                                .beta = 1});
  matmul_small(&(struct matmul){.m = b->count,
                                .n = b->seen,
                                .k = a->width,
                                .transpose_b = true,
                                .a = dy + b->y + b->first * y_stride,
                                .a_stride = y_stride,
                                .b = kept->qkv + b->value,
                                .b_stride = stride,
                                .c = scratch,
                                .alpha = 1});
}

/* Back through s = q k^T, ds in scratch: dq += ds k, dk += ds^T q. */
static void unlook(const struct attention *a, const struct attention_kept *kept, const struct block *b, float *dqkv,
                   const float *scratch) {
  const size_t stride = attention_stride(a);
  matmul_small(&(struct matmul){.m = b->count,
                                .n = a->width,
                                .k = b->seen,
                                .a = scratch,
                                .b = kept->qkv + b->key,
                                .b_stride = stride,
                                .c = dqkv + b->query + b->first * stride,
                                .c_stride = stride,
                                .alpha = 1,
                                .beta = 1});
  matmul_small(&(struct matmul){.m = b->seen,
                                .n = a->width,
                                .k = b->count,
                                .transpose_a = true,
                                .a = scratch,
                                .b = kept->qkv + b->query + b->first * stride,
                                .b_stride = stride,
                                .c = dqkv + b->key,
                                .c_stride = stride,
                                .alpha = 1,
                                .beta = 1});
}

static void backward_block(const struct attention *a, const struct attention_kept *kept, const struct block *b,
                           const float *dy, float *dqkv, float *scratch) {
  unmix(a, kept, b, dy, dqkv, scratch);
  for (size_t i = 0; i < b->count; i++) {
    const size_t row = b->probabilities + (b->first + i) * a->rows;
    float *gradient = scratch + i * b->seen;
    if (kept->dropped) {
      dropout_backward(&kept->dropout, kept->mask, row, gradient, gradient, b->seen);
    }
    /* What a causal row does not see has probability 0, and so gets 0. */
    softmax_row_backward(kept->probabilities + row, gradient, scale(a), b->seen);
  }
  unlook(a, kept, b, dqkv, scratch);
}

/* Heads that share keys and values add to the same gradients: one thread takes them, in their order. */
static void backward_group(const struct attention *a, const struct attention_kept *kept, size_t task, const float *dy,
                           float *dqkv, float *scratch) {
  const size_t batch = task / a->key_heads, group = a->heads / a->key_heads;
  const size_t first = task % a->key_heads * group;
  for (size_t head = first; head < first + group; head++) {
    for (size_t i = 0; i < blocks(a); i++) {
      const struct block block = block_at(a, batch, head, i);
      backward_block(a, kept, &block, dy, dqkv, scratch);
    }
  }
}

static size_t slots(const struct attention *a) {
  return minimum(SLOTS, a->batch * a->key_heads);
}

static size_t slot_size(const struct attention *a) {
  return minimum(BLOCK, a->rows) * a->rows;
}

size_t attention_scratch(const struct attention *attention) {
  return slots(attention) * slot_size(attention);
}

void attention_backward(const struct attention *attention, const struct attention_kept *kept, const float *dy,
                        float *dqkv, float *scratch) {
  const struct attention *a = attention;
#ifdef _OPENMP
  const int threads = (int)minimum(slots(a), (size_t)omp_get_max_threads());
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (attention_products(a) > PARALLEL_PRODUCTS)
  for (size_t task = 0; task < a->batch * a->key_heads; task++) {
    backward_group(a, kept, task, dy, dqkv, scratch + (size_t)omp_get_thread_num() * slot_size(a));
  }
#else
  for (size_t task = 0; task < a->batch * a->key_heads; task++) {
    backward_group(a, kept, task, dy, dqkv, scratch);
  }
#endif
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct attention_saved {
  struct tensor *qkv; /* or the rotated */
  struct tensor *probabilities;
  struct tensor *dropped, *mask; /* NULL without dropout */
  struct attention attention;
  float p;
  bool rope;
};
_Static_assert(sizeof(struct attention_saved) <= TAPE_SAVED_SIZE, "a node has room for it");

static void release(void *saved) {
  struct attention_saved *s = saved;
  tensor_release(s->qkv);
  tensor_release(s->probabilities);
  tensor_release(s->dropped);
  tensor_release(s->mask);
}

/* Queries and keys turn, values do not. */
static struct rope rope_of(const struct attention *a) {
  return (struct rope){a->batch, a->rows, a->heads + a->key_heads, a->width, attention_stride(a)};
}

static size_t qkv_count(const struct attention *a) {
  return a->batch * a->rows * attention_stride(a);
}

static void add_gradient(const struct attention_saved *s, const float *dy, float *dqkv, float *scratch) {
  const struct attention_kept kept = {
      .qkv = tensor_floats(s->qkv),
      .probabilities = tensor_floats(s->probabilities),
      .dropped = s->dropped ? tensor_floats(s->dropped) : NULL,
      .mask = s->mask ? s->mask->data : NULL,
      .dropout = {.p = s->p},
  };
  if (!s->rope) {
    attention_backward(&s->attention, &kept, dy, dqkv, scratch);
    return;
  }
  const struct rope rope = rope_of(&s->attention);
  float *turned = scratch + attention_scratch(&s->attention);
  memset(turned, 0, qkv_count(&s->attention) * sizeof *turned);
  attention_backward(&s->attention, &kept, dy, turned, scratch);
  rope_backward(&rope, turned, dqkv);
}

static void backward(struct tape *tape, struct node *node) {
  const struct attention_saved *s = (const void *)node->saved;
  const size_t scratch_size = attention_scratch(&s->attention) + (s->rope ? qkv_count(&s->attention) : 0);
  float *dqkv = tape_gradient(tape, node->inputs[0]);
  float *scratch = tape_scratch_take(tape, scratch_size);
  if (dqkv && scratch) {
    add_gradient(s, tensor_floats(node->output->gradient), dqkv, scratch);
  }
  tape_scratch_free(tape, scratch, scratch_size);
}

static const struct node_ops ops = {"scaled_dot_product_attention", backward, release};

/* False if the heads do not go into the row. */
static bool split(struct attention *attention, const struct value *qkv, const struct attention_options *options) {
  const size_t heads = options->heads, key_heads = options->key_heads ? options->key_heads : heads;
  const size_t all = heads + 2 * key_heads;
  if (heads == 0 || heads % key_heads != 0 || qkv->dims != 3 || value_count(qkv) == 0 || qkv->shape[2] % all != 0) {
    return false;
  }
  *attention = (struct attention){qkv->shape[0], qkv->shape[1], heads, key_heads, qkv->shape[2] / all, options->causal};
  return !options->rope || attention->width % 2 == 0;
}

static bool save(struct tape *tape, struct attention_saved *saved, struct value *qkv, bool drops) {
  const size_t count = attention_probabilities(&saved->attention);
  saved->qkv =
      saved->rope ? op_hold_new(tape, ACTSCOPE_FLOAT32, value_count(qkv) * sizeof(float)) : tensor_hold(qkv->tensor);
  saved->probabilities = op_hold_new(tape, ACTSCOPE_FLOAT32, count * sizeof(float));
  if (drops) {
    saved->dropped = op_hold_new(tape, ACTSCOPE_FLOAT32, count * sizeof(float));
    saved->mask = op_hold_new(tape, ACTSCOPE_UINT8, dropout_mask_size(count));
  }
  return tape->status == 0;
}

static void compute(const struct attention_saved *s, const struct dropout *dropout, const float *qkv, float *y) {
  float *probabilities = tensor_floats(s->probabilities);
  if (s->rope) {
    const struct rope rope = rope_of(&s->attention);
    rope_forward(&rope, qkv, tensor_floats(s->qkv));
  }
  attention_look(&s->attention, tensor_floats(s->qkv), probabilities, s->dropped ? NULL : y);
  if (s->dropped) {
    float *dropped = tensor_floats(s->dropped);
    dropout_forward(dropout, probabilities, dropped, s->mask->data, attention_probabilities(&s->attention));
    attention_mix(&s->attention, dropped, tensor_floats(s->qkv), y);
  }
}

struct value *op_attention(struct tape *tape, struct value *qkv, const struct attention_options *options) {
  if (!op_has(tape, ops.op, qkv) || !dropout_check(tape, ops.op, options->dropout)) {
    return NULL;
  }
  struct attention_saved saved = {.p = options->dropout, .rope = options->rope};
  if (!split(&saved.attention, qkv, options)) {
    tape_fail(tape, ERROR_USAGE, "%s: %s: %zu heads (%zu of keys%s) do not go into rows of %zu", tape->scope, ops.op,
              options->heads, options->key_heads, options->rope ? ", of even width" : "",
              qkv->dims ? qkv->shape[qkv->dims - 1] : 0);
    return NULL;
  }
  const struct attention *a = &saved.attention;
  const bool drops = dropout_acts(tape, options->dropout);
  const struct dropout dropout = drops ? dropout_draw(tape, options->dropout) : (struct dropout){0};
  struct value *y = tape_result(tape, (const size_t[]){a->batch, a->rows, a->heads * a->width}, 3);
  if (save(tape, &saved, qkv, drops) && !tape->memory->dry) {
    compute(&saved, &dropout, tensor_floats(qkv->tensor), tensor_floats(y->tensor));
  }
  return tape_node(tape, &ops, y, (struct value *[]){qkv}, 1, &saved, sizeof saved);
}
