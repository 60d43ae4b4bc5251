/* Rotary position embedding: numbers i and i + width / 2 of a head's query or key are a point in the plane, which turns
 * with the row t by t 10000^(-2 i / width). J. Su et al., RoFormer, arXiv 2104.09864; the pairing is that of the llama
 * models in transformers ("rotate half"). */
#ifndef ACTSCOPE_KERNELS_LAYERS_ROPE_H
#define ACTSCOPE_KERNELS_LAYERS_ROPE_H

#include <stddef.h>

struct rope {
  size_t batch, rows;
  size_t heads;  /* to turn: the first of each row */
  size_t width;  /* of one, even */
  size_t stride; /* floats in a row; those behind the heads stay as they are */
};

/* y = turned x. */
void rope_forward(const struct rope *rope, const float *x, float *y);
/* dx += dy turned back. */
void rope_backward(const struct rope *rope, const float *dy, float *dx);

#endif
