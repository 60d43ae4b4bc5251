#include "kernels/layers/layernorm.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/op.h"
#include "kernels/layers/reduce.h"

#include <math.h>

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

/* Two passes: the variance of a row far from 0 would drown in E[x^2] - E[x]^2. */
static void row_statistics(const float *x, size_t width, float epsilon, float *mean, float *rstd) {
  const double m = reduce_sum(x, width) / (double)width;
  const double variance = reduce_square_deviations(x, m, width) / (double)width;
  *mean = (float)m;
  *rstd = (float)(1 / sqrt(variance + (double)epsilon));
}

static void forward_row(const float *x, const float *weight, const float *bias, size_t width, float mean, float rstd,
                        float *y) {
#pragma omp simd
  for (size_t j = 0; j < width; j++) {
    const float normal = (x[j] - mean) * rstd;
    y[j] = (weight ? normal * weight[j] : normal) + (bias ? bias[j] : 0);
  }
}

void layernorm_forward(const struct layernorm_shape *shape, const float *x, const float *weight, const float *bias,
                       float epsilon, float *y, float *mean, float *rstd) {
  const size_t width = shape->width;
#pragma omp parallel for schedule(static) if (shape->rows * width > PARALLEL_ELEMENTS)
  for (size_t i = 0; i < shape->rows; i++) {
    row_statistics(x + i * width, width, epsilon, &mean[i], &rstd[i]);
    forward_row(x + i * width, weight, bias, width, mean[i], rstd[i], y + i * width);
  }
}

/* With g = weight dy and n = (x - mean) rstd: dx = rstd (g - mean of g - n times the mean of g n). */
static void backward_row(const struct layernorm_kept *kept, const float *dy, size_t width, size_t i, float beta,
                         float *dx) {
  const float *x = kept->x + i * width, *weight = kept->weight;
  const float mean = kept->mean[i], rstd = kept->rstd[i];
  float sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
  for (size_t j = 0; j < width; j++) {
    const float g = weight ? weight[j] * dy[j] : dy[j];
    sum += g;
    product += g * ((x[j] - mean) * rstd);
  }
  sum /= (float)width;
  product /= (float)width;
#pragma omp simd
  for (size_t j = 0; j < width; j++) {
    const float g = weight ? weight[j] * dy[j] : dy[j];
    const float d = rstd * (g - sum - (x[j] - mean) * rstd * product);
    dx[j] = beta == 0 ? d : dx[j] + d;
  }
}

/* Sums over rows of dy n and dy, for a block of columns. */
static void backward_columns(const struct layernorm_shape *shape, const struct layernorm_kept *kept, const float *dy,
                             const struct layernorm_gradients *to, size_t first, size_t end) {
  float dweight[COLUMN_BLOCK] = {0}, dbias[COLUMN_BLOCK] = {0};
  for (size_t i = 0; i < shape->rows; i++) {
    const float *x = kept->x + i * shape->width, *d = dy + i * shape->width;
    const float mean = kept->mean[i], rstd = kept->rstd[i];
    for (size_t j = first; j < end; j++) {
      dweight[j - first] += d[j] * ((x[j] - mean) * rstd);
      dbias[j - first] += d[j];
    }
  }
  for (size_t j = first; j < end; j++) {
    if (to->dweight) {
      to->dweight[j] = dweight[j - first] + (to->beta_weight == 0 ? 0 : to->dweight[j]);
    }
    if (to->dbias) {
      to->dbias[j] = dbias[j - first] + (to->beta_bias == 0 ? 0 : to->dbias[j]);
    }
  }
}

void layernorm_backward(const struct layernorm_shape *shape, const struct layernorm_kept *kept, const float *dy,
                        const struct layernorm_gradients *to) {
  const size_t rows = shape->rows, width = shape->width;
  if (to->dx) {
#pragma omp parallel for schedule(static) if (rows * width > PARALLEL_ELEMENTS)
    for (size_t i = 0; i < rows; i++) {
      backward_row(kept, dy + i * width, width, i, to->beta_x, to->dx + i * width);
    }
  }
  if (to->dweight || to->dbias) {
#pragma omp parallel for schedule(static) if (rows * width > PARALLEL_ELEMENTS)
    for (size_t block = 0; block < column_blocks(width); block++) {
      backward_columns(shape, kept, dy, to, block * COLUMN_BLOCK, column_block_end(block, width));
    }
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct layernorm_saved {
  struct tensor *x, *mean, *rstd, *weight;
  struct layernorm_shape shape;
};

static void release(void *saved) {
  struct layernorm_saved *s = saved;
  tensor_release(s->x);
  tensor_release(s->mean);
  tensor_release(s->rstd);
  tensor_release(s->weight);
}

static void backward(struct tape *tape, struct node *node) {
  const struct layernorm_saved *s = (const void *)node->saved;
  struct layernorm_gradients to;
  to.dx = tape_gradient_beta(tape, node->inputs[0], &to.beta_x);
  to.dweight = tape_gradient_beta(tape, node->inputs[1], &to.beta_weight);
  to.dbias = tape_gradient_beta(tape, node->inputs[2], &to.beta_bias);
  if (tape->status == 0 && !tape->memory->dry) {
    const struct layernorm_kept kept = {tensor_floats(s->x), tensor_floats(s->mean), tensor_floats(s->rstd),
                                        s->weight ? tensor_floats(s->weight) : NULL};
    layernorm_backward(&s->shape, &kept, tensor_floats(node->output->gradient), &to);
  }
}

static const struct node_ops ops = {"native_layer_norm", backward, release};

static bool fits(const struct value *x, const struct value *weight, const struct value *bias) {
  const size_t width = value_width(x);
  return x->dims > 0 && (!weight || value_count(weight) == width) && (!bias || value_count(bias) == width);
}

static void compute(const struct layernorm_saved *s, const struct value *bias, float epsilon, struct value *y) {
  if (tensor_floats(y->tensor)) {
    layernorm_forward(&s->shape, tensor_floats(s->x), s->weight ? tensor_floats(s->weight) : NULL,
                      bias ? tensor_floats(bias->tensor) : NULL, epsilon, tensor_floats(y->tensor),
                      tensor_floats(s->mean), tensor_floats(s->rstd));
  }
}

struct value *op_layernorm(struct tape *tape, struct value *x, struct value *weight, struct value *bias,
                           float epsilon) {
  if (!op_has(tape, ops.op, x) || (weight && !op_has(tape, ops.op, weight)) || (bias && !op_has(tape, ops.op, bias))) {
    return NULL;
  }
  if (!fits(x, weight, bias)) {
    return op_misfit(tape, ops.op, x, weight ? weight : bias);
  }
  struct layernorm_saved saved = {.shape = {value_rows(x), value_width(x)}};
  struct value *y = tape_result(tape, x->shape, x->dims);
  saved.x = tensor_hold(x->tensor);
  saved.weight = tensor_hold(weight ? weight->tensor : NULL);
  saved.mean = op_hold_new(tape, ACTSCOPE_FLOAT32, saved.shape.rows * sizeof(float));
  saved.rstd = op_hold_new(tape, ACTSCOPE_FLOAT32, saved.shape.rows * sizeof(float));
  if (y && tape->status == 0) {
    compute(&saved, bias, epsilon, y);
  }
  return tape_node(tape, &ops, y, (struct value *[]){x, weight, bias}, 3, &saved, sizeof saved);
}
