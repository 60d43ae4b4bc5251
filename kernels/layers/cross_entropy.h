/* The mean of -log softmax(logits)[target] over the rows whose target is not negative; 0 if there is none (PyTorch
 * gives NaN there). logits (rows, classes), target (rows). */
#ifndef ACTSCOPE_KERNELS_LAYERS_CROSS_ENTROPY_H
#define ACTSCOPE_KERNELS_LAYERS_CROSS_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

struct cross_entropy_shape {
  size_t rows, classes;
};

/* The first target that is not below classes; rows if there is none. */
size_t cross_entropy_check(const struct cross_entropy_shape *shape, const int32_t *target);

/* log_softmax (rows, classes) is what backward needs. Returns the loss. */
float cross_entropy_forward(const struct cross_entropy_shape *shape, const float *logits, const int32_t *target,
                            float *log_softmax);
/* dlogits = beta dlogits + dloss times the gradient. */
void cross_entropy_backward(const struct cross_entropy_shape *shape, const float *log_softmax, const int32_t *target,
                            float dloss, float *dlogits, float beta);

#endif
