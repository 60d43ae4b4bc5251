#include "kernels/layers/batchnorm2d.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/op.h"
#include "kernels/layers/reduce.h"

#include <math.h>

static const float MOMENTUM = 0.1f; /* PyTorch's default */

/* One channel of one image. */
static size_t plane(const struct batchnorm2d *n, size_t image, size_t channel) {
  return (image * n->channels + channel) * n->pixels;
}

static float reciprocal_deviation(const struct batchnorm2d *n, double variance) {
  return (float)(1 / sqrt(variance + (double)n->epsilon));
}

struct moments {
  double mean, variance;
};

/* Variance about the mean that is known: what a single pass would cancel away, this keeps. */
static struct moments channel_moments(const struct batchnorm2d *n, const float *x, size_t channel) {
  const double count = (double)(n->batch * n->pixels);
  double sum = 0, squares = 0;
  for (size_t b = 0; b < n->batch; b++) {
    sum += reduce_sum(x + plane(n, b, channel), n->pixels);
  }
  for (size_t b = 0; b < n->batch; b++) {
    squares += reduce_square_deviations(x + plane(n, b, channel), sum / count, n->pixels);
  }
  return (struct moments){sum / count, squares / count};
}

void batchnorm2d_measure(const struct batchnorm2d *norm, const float *x, float *mean, float *rstd, float *running,
                         float momentum) {
  const double count = (double)(norm->batch * norm->pixels), unbiased = count > 1 ? count / (count - 1) : 1;
#pragma omp parallel for schedule(static) if (norm->batch * norm->channels * norm->pixels > PARALLEL_ELEMENTS)
  for (size_t c = 0; c < norm->channels; c++) {
    const struct moments m = channel_moments(norm, x, c);
    mean[c] = (float)m.mean;
    rstd[c] = reciprocal_deviation(norm, m.variance);
    if (running) {
      float *variance = running + norm->channels;
      running[c] += momentum * ((float)m.mean - running[c]);
      variance[c] += momentum * ((float)(m.variance * unbiased) - variance[c]);
    }
  }
}

void batchnorm2d_recall(const struct batchnorm2d *norm, const float *running, float *mean, float *rstd) {
  for (size_t c = 0; c < norm->channels; c++) {
    mean[c] = running[c];
    rstd[c] = reciprocal_deviation(norm, (double)running[norm->channels + c]);
  }
}

void batchnorm2d_forward(const struct batchnorm2d *norm, const float *x, const float *mean, const float *rstd,
                         const float *weight, const float *bias, float *y) {
#pragma omp parallel for schedule(static) if (norm->batch * norm->channels * norm->pixels > PARALLEL_ELEMENTS)
  for (size_t i = 0; i < norm->batch * norm->channels; i++) {
    const size_t c = i % norm->channels;
    const float scale = rstd[c] * weight[c], center = mean[c], shift = bias[c];
    const float *from = x + i * norm->pixels;
    float *to = y + i * norm->pixels;
    for (size_t j = 0; j < norm->pixels; j++) {
      to[j] = (from[j] - center) * scale + shift;
    }
  }
}

/* With h = (x - mean) rstd: dbias = sum dy, dweight = sum dy h, and, as mean and rstd depend on x too,
 * dx = rstd weight (dy - (dbias + h dweight) / count). */
struct channel_kept {
  double mean, rstd;
  bool measured; /* on this batch, so that they depend on x */
  float weight;
};

static void channel_backward(const struct batchnorm2d *n, const float *x, struct channel_kept kept, const float *dy,
                             const struct batchnorm2d_gradients *to, size_t c) {
  const double count = (double)(n->batch * n->pixels);
  double dbias = 0, dweight = 0;
  for (size_t b = 0; b < n->batch; b++) {
    dbias += reduce_sum(dy + plane(n, b, c), n->pixels);
    dweight += reduce_dot(x + plane(n, b, c), kept.mean, dy + plane(n, b, c), n->pixels) * kept.rstd;
  }
  if (to->bias) {
    to->bias[c] += (float)dbias;
  }
  if (to->weight) {
    to->weight[c] += (float)dweight;
  }
  const float scale = (float)kept.rstd * kept.weight, center = (float)kept.mean;
  const float constant = kept.measured ? (float)(dbias / count) : 0;
  const float slope = kept.measured ? (float)(dweight * kept.rstd / count) : 0;
  for (size_t b = 0; to->x && b < n->batch; b++) {
    const float *x_plane = x + plane(n, b, c), *dy_plane = dy + plane(n, b, c);
    float *dx = to->x + plane(n, b, c);
    for (size_t j = 0; j < n->pixels; j++) {
      dx[j] += scale * (dy_plane[j] - constant - (x_plane[j] - center) * slope);
    }
  }
}

void batchnorm2d_backward(const struct batchnorm2d *norm, const float *x, const float *mean, const float *rstd,
                          bool measured, const float *weight, const float *dy, const struct batchnorm2d_gradients *to) {
#pragma omp parallel for schedule(static) if (norm->batch * norm->channels * norm->pixels > PARALLEL_ELEMENTS)
  for (size_t c = 0; c < norm->channels; c++) {
    const struct channel_kept kept = {(double)mean[c], (double)rstd[c], measured, weight[c]};
    channel_backward(norm, x, kept, dy, to, c);
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct batchnorm2d_saved {
  struct tensor *x, *weight;
  struct tensor *statistics; /* (2, channels): mean, rstd */
  bool measured;
  struct batchnorm2d norm;
};
_Static_assert(sizeof(struct batchnorm2d_saved) <= TAPE_SAVED_SIZE, "a node has room for it");

static void release(void *saved) {
  struct batchnorm2d_saved *s = saved;
  tensor_release(s->x);
  tensor_release(s->weight);
  tensor_release(s->statistics);
}

static void backward(struct tape *tape, struct node *node) {
  const struct batchnorm2d_saved *s = (const void *)node->saved;
  const struct batchnorm2d_gradients to = {tape_gradient(tape, node->inputs[0]), tape_gradient(tape, node->inputs[1]),
                                           tape_gradient(tape, node->inputs[2])};
  if (tape->status == 0 && !tape->memory->dry) {
    const float *mean = tensor_floats(s->statistics);
    batchnorm2d_backward(&s->norm, tensor_floats(s->x), mean, mean + s->norm.channels, s->measured,
                         tensor_floats(s->weight), tensor_floats(node->output->gradient), &to);
  }
}

static const struct node_ops ops = {"native_batch_norm", backward, release};

static bool fits(const struct value *x, const struct value *weight, const struct value *bias,
                 const struct tensor *running) {
  return x->dims == 4 && value_count(x) > 0 && value_count(weight) == x->shape[1] && value_count(bias) == x->shape[1] &&
         running && running->bytes == 2 * x->shape[1] * sizeof(float);
}

static void compute(const struct tape *tape, const struct batchnorm2d *norm, const struct value *x,
                    const struct value *weight, const struct value *bias, struct tensor *running, float *mean,
                    float *y) {
  float *rstd = mean + norm->channels;
  if (tape->training) {
    batchnorm2d_measure(norm, tensor_floats(x->tensor), mean, rstd, tensor_floats(running), MOMENTUM);
  } else {
    batchnorm2d_recall(norm, tensor_floats(running), mean, rstd);
  }
  batchnorm2d_forward(norm, tensor_floats(x->tensor), mean, rstd, tensor_floats(weight->tensor),
                      tensor_floats(bias->tensor), y);
}

struct value *op_batchnorm2d(struct tape *tape, struct value *x, struct value *weight, struct value *bias,
                             struct tensor *running, float epsilon) {
  if (!op_has(tape, ops.op, x) || !op_has(tape, ops.op, weight) || !op_has(tape, ops.op, bias)) {
    return NULL;
  }
  if (!fits(x, weight, bias, running)) {
    return op_misfit(tape, ops.op, x, weight);
  }
  const struct batchnorm2d norm = {x->shape[0], x->shape[1], x->shape[2] * x->shape[3], epsilon};
  struct value *y = tape_result(tape, x->shape, 4);
  struct tensor *statistics = y ? op_hold_new(tape, ACTSCOPE_FLOAT32, 2 * norm.channels * sizeof(float)) : NULL;
  if (statistics && !tape->memory->dry) {
    compute(tape, &norm, x, weight, bias, running, tensor_floats(statistics), tensor_floats(y->tensor));
  }
  const struct batchnorm2d_saved saved = {.x = tensor_hold(x->tensor),
                                          .weight = tensor_hold(weight->tensor),
                                          .statistics = statistics,
                                          .measured = tape->training,
                                          .norm = norm};
  return tape_node(tape, &ops, y, (struct value *[]){x, weight, bias}, 3, &saved, sizeof saved);
}
