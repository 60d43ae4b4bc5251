/* Attention by heads: probabilities = softmax(q k^T / sqrt(width)), y = probabilities v. A. Vaswani et al., Attention
 * is all you need, NIPS 2017. Products go by blocks of rows through BLAS; of a causal one, blocks beyond the diagonal
 * are not computed.
 *
 * qkv (batch, rows, (heads + 2 key_heads) width): the heads' queries, then keys, then values. Head h uses keys and
 * values h / (heads / key_heads). y (batch, rows, heads width); probabilities (batch, heads, rows, rows). */
#ifndef ACTSCOPE_KERNELS_LAYERS_ATTENTION_H
#define ACTSCOPE_KERNELS_LAYERS_ATTENTION_H

#include "kernels/layers/dropout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attention {
  size_t batch, rows, heads, key_heads;
  size_t width; /* of a head */
  bool causal;  /* row t sees rows 0 to t */
};

static inline size_t attention_stride(const struct attention *attention) {
  return (attention->heads + 2 * attention->key_heads) * attention->width;
}
static inline size_t attention_probabilities(const struct attention *attention) {
  return attention->batch * attention->heads * attention->rows * attention->rows;
}
/* Multiplications of either product. */
static inline size_t attention_products(const struct attention *attention) {
  return attention_probabilities(attention) * attention->width;
}

/* y as well, while a block of probabilities is in the caches; or NULL, for attention_mix to make it. */
void attention_look(const struct attention *attention, const float *qkv, float *probabilities, float *y);
/* y from what dropout left of the probabilities. */
void attention_mix(const struct attention *attention, const float *probabilities, const float *qkv, float *y);

/* What forward leaves for backward. */
struct attention_kept {
  const float *qkv, *probabilities;
  const float *dropped; /* and where they are from; NULL without dropout */
  const uint8_t *mask;
  struct dropout dropout;
};
size_t attention_scratch(const struct attention *attention); /* floats for backward */
/* Adds to dqkv. */
void attention_backward(const struct attention *attention, const struct attention_kept *kept, const float *dy,
                        float *dqkv, float *scratch);

#endif
