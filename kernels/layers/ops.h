/* The layers, as ops on a tape: y = f(x, parameters), with their gradients. Shapes are row-major; B, T, C, H, W as
 * usual. Each op's mathematics, its *_saved struct and its tape glue stand in the file of its name; the plain kernels
 * under them (x and y as arrays) are declared in that file's header. What each holds is what PyTorch's autograd holds
 * for the same op, so that a replayed model's saved bytes are those of the framework.
 *
 * NULL in, NULL out: see tape.h. */
#ifndef ACTSCOPE_KERNELS_LAYERS_OPS_H
#define ACTSCOPE_KERNELS_LAYERS_OPS_H

#include "kernels/layers/tape.h"

/* y = x w^T + b; x (..., in), w (out, in), b (out) or NULL. Holds x (as addmm does). */
struct value *op_linear(struct tape *tape, struct value *x, struct value *w, struct value *b);
/* y = table[index]; index: count int32 in a tensor, table (rows, width), result (count, width). Holds the indices. */
struct value *op_embedding(struct tape *tape, struct tensor *index, size_t count, struct value *table);
/* The same shape, or y's rows repeat over x's leading ones (positions over a batch). Holds nothing. */
struct value *op_add(struct tape *tape, struct value *x, struct value *y);
struct value *op_mul(struct tape *tape, struct value *x, struct value *y); /* same shape; holds both */
/* Over the last dimension. Holds x, mean and rstd (rmsnorm: rstd). */
struct value *op_layernorm(struct tape *tape, struct value *x, struct value *weight, struct value *bias, float epsilon);
struct value *op_rmsnorm(struct tape *tape, struct value *x, struct value *weight, float epsilon);
/* Causal or not: softmax(q k^T / sqrt(d)) v by heads. qkv (B, T, 3 C): queries, keys, values side by side; result
 * (B, T, C). Holds qkv and the probabilities (B, heads, T, T), exact. rope: rotates queries and keys first (llama), and
 * holds the rotated in place of qkv (d even). key_heads: grouped queries if fewer than heads; then qkv is
 * (B, T, C + 2 C key_heads / heads); 0: as many. */
struct attention_options {
  size_t heads, key_heads;
  bool causal, rope;
  float dropout; /* of the probabilities; holds the dropped ones too, and a mask of one bit each */
};
struct value *op_attention(struct tape *tape, struct value *qkv, const struct attention_options *options);
/* Holds a mask of one bit an element; scales by 1 / (1 - p). Returns x itself for p = 0 or when not training: do not
 * forget x then. */
struct value *op_dropout(struct tape *tape, struct value *x, float p);
/* y = f(x), f a function of kernels/function.h by name with default parameters. Exact: holds x or y, whichever autograd
 * does (relu, tanh, sigmoid: y). Few-bit by the tape's choice: holds codes. */
struct value *op_activation(struct tape *tape, struct value *x, const char *function);
/* x (B, C, H, W), w (out, C, kernel, kernel), b (out) or NULL. Holds x. */
struct value *op_conv2d(struct tape *tape, struct value *x, struct value *w, struct value *b, size_t stride,
                        size_t padding);
/* Over (B, H, W) of (B, C, H, W). Training: uses the batch, updates running (2, C: mean, variance) by momentum 0.1.
 * Else uses running. Holds x, mean and rstd. */
struct value *op_batchnorm2d(struct tape *tape, struct value *x, struct value *weight, struct value *bias,
                             struct tensor *running, float epsilon);
/* Max: holds the winners' indices (int64, as torch does) and x. Average of windows, or of the whole image, (B, C):
 * holds x, which it does not need, because torch does (AvgPool2DBackward0, MeanBackward1 in 1.13). */
struct value *op_maxpool2d(struct tape *tape, struct value *x, size_t kernel, size_t stride, size_t padding);
struct value *op_avgpool2d(struct tape *tape, struct value *x, size_t kernel, size_t stride);
struct value *op_global_avgpool(struct tape *tape, struct value *x);
/* The same elements under another shape; shares the tensor. */
struct value *op_reshape(struct tape *tape, struct value *x, const size_t *shape, unsigned dims);
/* x (B, C, H, W) to (B, H W, C), for patches. */
struct value *op_patches_to_tokens(struct tape *tape, struct value *x);
/* A learned row before each sequence's rows: (B, T, C) and (C) to (B, T + 1, C). */
struct value *op_prepend(struct tape *tape, struct value *x, struct value *row);
/* Row t of each sequence: (B, T, C) to (B, C). */
struct value *op_take_row(struct tape *tape, struct value *x, size_t t);
/* Mean of -log softmax(logits)[target] over rows whose target is not negative; logits (..., classes), target int32 a
 * row. Result: a scalar. Holds log softmax's result, as torch does. */
struct value *op_cross_entropy(struct tape *tape, struct value *logits, struct tensor *target);

#endif
