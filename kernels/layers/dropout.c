#include "kernels/layers/dropout.h"

#include "kernels/layers/op.h"
#include "kernels/philox.h"

#include <string.h>

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

enum {
  GROUP = 32,         /* elements whose random numbers are made together: whole bytes of the mask */
  CHUNK = 256 * GROUP /* what a thread takes */
};

static size_t minimum(size_t a, size_t b) {
  return a < b ? a : b;
}

static float scale(const struct dropout *d) {
  return d->p < 1 ? 1 / (1 - d->p) : 0;
}

/* Which of the elements from i on, a multiple of GROUP, are kept: 1 or 0 each. They are where their 32 random bits are
 * not below p 2^32. */
static void group_kept(const struct dropout *d, size_t i, uint8_t kept[GROUP]) {
  if (d->p >= 1) {
    memset(kept, 0, GROUP);
    return;
  }
  const uint32_t limit = (uint32_t)((double)d->p * 0x1p32);
  for (size_t j = 0; j < GROUP; j += 4) {
    const struct philox random = philox_at((i + j) / 4, d->stream, d->seed);
    for (size_t w = 0; w < 4; w++) {
      kept[j + w] = random.word[w] >= limit;
    }
  }
}

/* Eight of them as bits: the product moves each to its place in the highest byte, without carries. */
static uint8_t eight_bits(const uint8_t kept[8]) {
  uint64_t bytes = 0;
  for (unsigned i = 0; i < 8; i++) {
    bytes |= (uint64_t)kept[i] << 8 * i;
  }
  return (uint8_t)(bytes * UINT64_C(0x0102040810204080) >> 56);
}

static void forward_group(const struct dropout *d, const float *x, float *y, uint8_t *mask, size_t i, size_t count) {
  const float factor = scale(d);
  uint8_t kept[GROUP];
  group_kept(d, i, kept);
  for (size_t j = 0; j < dropout_mask_size(count); j++) {
    mask[i / 8 + j] = eight_bits(kept + 8 * j);
  }
  for (size_t j = 0; j < count; j++) {
    y[i + j] = kept[j] ? x[i + j] * factor : 0;
  }
}

static void forward_chunk(const struct dropout *d, const float *x, float *y, uint8_t *mask, size_t first, size_t end) {
  size_t i = first;
  for (; i + GROUP <= end; i += GROUP) {
    forward_group(d, x, y, mask, i, GROUP); /* the number is a constant here, for vectors */
  }
  if (i < end) {
    forward_group(d, x, y, mask, i, end - i);
  }
}

void dropout_forward(const struct dropout *dropout, const float *x, float *y, uint8_t *mask, size_t n) {
#pragma omp parallel for schedule(static) if (n > CHUNK)
  for (size_t first = 0; first < n; first += CHUNK) {
    forward_chunk(dropout, x, y, mask, first, minimum(first + CHUNK, n));
  }
}

void dropout_backward(const struct dropout *dropout, const uint8_t *mask, size_t first, const float *dy, float *dx,
                      size_t n) {
  const float factors[2] = {0, scale(dropout)};
  for (size_t i = 0; i < n; i++) {
    const unsigned kept = mask[(first + i) / 8] >> (first + i) % 8 & 1;
    dx[i] = dy[i] * factors[kept];
  }
}

struct dropout dropout_draw(struct tape *tape, float p) {
  return (struct dropout){p, tape->seed, tape->draws++};
}

bool dropout_acts(const struct tape *tape, float p) {
  return tape->training && p > 0;
}

bool dropout_check(struct tape *tape, const char *op, float p) {
  const bool good = p >= 0 && p <= 1; /* NaN is not */
  if (!good) {
    tape_fail(tape, ERROR_USAGE, "%s: %s: the probability is %g; it must be 0 to 1", tape->scope, op, (double)p);
  }
  return good;
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct dropout_saved {
  struct tensor *mask;
  struct dropout dropout;
  size_t n;
};

static void release(void *saved) {
  struct dropout_saved *s = saved;
  tensor_release(s->mask);
}

static void add_backward(const struct dropout_saved *s, const float *dy, float *dx) {
#pragma omp parallel for schedule(static) if (s->n > CHUNK)
  for (size_t first = 0; first < s->n; first += CHUNK) {
    const size_t count = minimum(CHUNK, s->n - first);
    float part[GROUP];
    for (size_t i = first; i < first + count; i += GROUP) {
      const size_t length = minimum(GROUP, first + count - i);
      dropout_backward(&s->dropout, s->mask->data, i, dy + i, part, length);
      for (size_t j = 0; j < length; j++) {
        dx[i + j] += part[j];
      }
    }
  }
}

static void backward(struct tape *tape, struct node *node) {
  float *dx = tape_gradient(tape, node->inputs[0]);
  if (dx) {
    add_backward((const void *)node->saved, tensor_floats(node->output->gradient), dx);
  }
}

static const struct node_ops ops = {"dropout", backward, release};

struct value *op_dropout(struct tape *tape, struct value *x, float p) {
  if (!op_has(tape, ops.op, x) || !dropout_check(tape, ops.op, p)) {
    return NULL;
  }
  if (!dropout_acts(tape, p)) {
    return x;
  }
  struct dropout_saved saved = {.dropout = dropout_draw(tape, p), .n = value_count(x)};
  struct value *y = tape_result(tape, x->shape, x->dims);
  saved.mask = op_hold_new(tape, ACTSCOPE_UINT8, dropout_mask_size(saved.n));
  if (y && saved.mask && !tape->memory->dry) {
    dropout_forward(&saved.dropout, tensor_floats(x->tensor), tensor_floats(y->tensor), saved.mask->data, saved.n);
  }
  return tape_node(tape, &ops, y, (struct value *[]){x}, 1, &saved, sizeof saved);
}
