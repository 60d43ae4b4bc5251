/* A training step of GPT-2 in plain loops, in the manner of llm.c: one function a layer and direction, no library, OpenMP
 * on the outer loops, everything in float32. What kernels/layers is measured against, and nothing else uses it.
 *
 * The model of kernels/models/gpt.c: learned positions, pre-norm blocks, causal attention, GELU in its erf form, a head
 * that is the token table, mean cross entropy; AdamW. */
#ifndef ACTSCOPE_BENCH_PLAIN_GPT_H
#define ACTSCOPE_BENCH_PLAIN_GPT_H

#include <stddef.h>
#include <stdint.h>

struct plain_gpt_sizes {
  size_t layers, width, heads, hidden, vocabulary;
  size_t sequence, batch;
};

struct plain_gpt;

/* NULL if there is no memory. Weights are zero; fill them in through plain_gpt_parameter. */
struct plain_gpt *plain_gpt_new(const struct plain_gpt_sizes *sizes);
void plain_gpt_free(struct plain_gpt *gpt);

/* In the order of kernels/models/gpt.c: token table, positions, the blocks, the last norm; NULL past the last. */
float *plain_gpt_parameter(struct plain_gpt *gpt, size_t index, size_t *count);

/* Forward, backward, AdamW as torch.optim has it, weight decay on matrices. The mean loss before the update. */
struct plain_gpt_adamw {
  float rate, decay, beta1, beta2, epsilon;
};
float plain_gpt_step(struct plain_gpt *gpt, const struct plain_gpt_adamw *adamw, const int32_t *tokens,
                     const int32_t *targets);

#endif
