/* y = table[index]: rows by number. index (count), table (rows, width), y (count, width). */
#ifndef ACTSCOPE_KERNELS_LAYERS_EMBEDDING_H
#define ACTSCOPE_KERNELS_LAYERS_EMBEDDING_H

#include <stddef.h>
#include <stdint.h>

struct embedding_shape {
  size_t count, rows, width;
};

/* The first index that is not in 0 .. rows - 1; count if there is none. */
size_t embedding_check(const struct embedding_shape *shape, const int32_t *index);
void embedding_forward(const struct embedding_shape *shape, const int32_t *index, const float *table, float *y);
/* dtable[index[i]] += dy[i], in the order of i. */
void embedding_backward(const struct embedding_shape *shape, const int32_t *index, const float *dy, float *dtable);

#endif
