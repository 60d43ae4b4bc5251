#include "kernels/layers/rmsnorm.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/op.h"
#include "kernels/layers/reduce.h"

#include <math.h>

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

static float forward_row(const float *x, const float *weight, size_t width, float epsilon, float *y) {
  const double square = reduce_square_deviations(x, 0, width) / (double)width;
  const float rstd = (float)(1 / sqrt(square + (double)epsilon));
#pragma omp simd
  for (size_t j = 0; j < width; j++) {
    y[j] = weight ? x[j] * rstd * weight[j] : x[j] * rstd;
  }
  return rstd;
}

void rmsnorm_forward(const struct rmsnorm_shape *shape, const float *x, const float *weight, float epsilon, float *y,
                     float *rstd) {
  const size_t width = shape->width;
#pragma omp parallel for schedule(static) if (shape->rows * width > PARALLEL_ELEMENTS)
  for (size_t i = 0; i < shape->rows; i++) {
    rstd[i] = forward_row(x + i * width, weight, width, epsilon, y + i * width);
  }
}

/* With g = weight dy and n = x rstd: dx = rstd (g - n times the mean of g n). */
static void backward_row(const float *x, const float *weight, float rstd, const float *dy, size_t width, float beta,
                         float *dx) {
  float product = 0;
#pragma omp simd reduction(+ : product)
  for (size_t j = 0; j < width; j++) {
    product += (weight ? weight[j] * dy[j] : dy[j]) * (x[j] * rstd);
  }
  product /= (float)width;
#pragma omp simd
  for (size_t j = 0; j < width; j++) {
    const float g = weight ? weight[j] * dy[j] : dy[j];
    const float d = rstd * (g - x[j] * rstd * product);
    dx[j] = beta == 0 ? d : dx[j] + d;
  }
}

/* The sum over rows of dy n, for a block of columns. */
static void backward_columns(const struct rmsnorm_shape *shape, const struct rmsnorm_kept *kept, const float *dy,
                             const struct rmsnorm_gradients *to, size_t first, size_t end) {
  float dweight[COLUMN_BLOCK] = {0};
  for (size_t i = 0; i < shape->rows; i++) {
    const float *x = kept->x + i * shape->width, *d = dy + i * shape->width;
    for (size_t j = first; j < end; j++) {
      dweight[j - first] += d[j] * (x[j] * kept->rstd[i]);
    }
  }
  for (size_t j = first; j < end; j++) {
    to->dweight[j] = dweight[j - first] + (to->beta_weight == 0 ? 0 : to->dweight[j]);
  }
}

void rmsnorm_backward(const struct rmsnorm_shape *shape, const struct rmsnorm_kept *kept, const float *dy,
                      const struct rmsnorm_gradients *to) {
  const size_t rows = shape->rows, width = shape->width;
  if (to->dx) {
#pragma omp parallel for schedule(static) if (rows * width > PARALLEL_ELEMENTS)
    for (size_t i = 0; i < rows; i++) {
      backward_row(kept->x + i * width, kept->weight, kept->rstd[i], dy + i * width, width, to->beta_x,
                   to->dx + i * width);
    }
  }
  if (to->dweight) {
#pragma omp parallel for schedule(static) if (rows * width > PARALLEL_ELEMENTS)
    for (size_t block = 0; block < column_blocks(width); block++) {
      backward_columns(shape, kept, dy, to, block * COLUMN_BLOCK, column_block_end(block, width));
    }
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct rmsnorm_saved {
  struct tensor *x, *rstd, *weight;
  struct rmsnorm_shape shape;
};

static void release(void *saved) {
  struct rmsnorm_saved *s = saved;
  tensor_release(s->x);
  tensor_release(s->rstd);
  tensor_release(s->weight);
}

static void backward(struct tape *tape, struct node *node) {
  const struct rmsnorm_saved *s = (const void *)node->saved;
  struct rmsnorm_gradients to;
  to.dx = tape_gradient_beta(tape, node->inputs[0], &to.beta_x);
  to.dweight = tape_gradient_beta(tape, node->inputs[1], &to.beta_weight);
  if (tape->status == 0 && !tape->memory->dry) {
    const struct rmsnorm_kept kept = {tensor_floats(s->x), tensor_floats(s->rstd),
                                      s->weight ? tensor_floats(s->weight) : NULL};
    rmsnorm_backward(&s->shape, &kept, tensor_floats(node->output->gradient), &to);
  }
}

static const struct node_ops ops = {"rms_norm", backward, release};

struct value *op_rmsnorm(struct tape *tape, struct value *x, struct value *weight, float epsilon) {
  if (!op_has(tape, ops.op, x) || (weight && !op_has(tape, ops.op, weight))) {
    return NULL;
  }
  if (x->dims == 0 || (weight && value_count(weight) != value_width(x))) {
    return op_misfit(tape, ops.op, x, weight ? weight : x);
  }
  struct rmsnorm_saved saved = {.shape = {value_rows(x), value_width(x)}};
  struct value *y = tape_result(tape, x->shape, x->dims);
  saved.x = tensor_hold(x->tensor);
  saved.weight = tensor_hold(weight ? weight->tensor : NULL);
  saved.rstd = op_hold_new(tape, ACTSCOPE_FLOAT32, saved.shape.rows * sizeof(float));
  if (y && tape->status == 0 && tensor_floats(y->tensor)) {
    rmsnorm_forward(&saved.shape, tensor_floats(x->tensor), weight ? tensor_floats(weight->tensor) : NULL, epsilon,
                    tensor_floats(y->tensor), tensor_floats(saved.rstd));
  }
  return tape_node(tape, &ops, y, (struct value *[]){x, weight}, 2, &saved, sizeof saved);
}
