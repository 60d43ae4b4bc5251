/* What a GPT is made of, forward and backward, in plain loops over float arrays: for programs that hold their tensors as
 * they like. Rows are tokens; a linear layer's weights are in x out, row by row, with the biases behind them; a norm's are
 * gains, then biases. Backward adds to the gradients of weights, and writes those of activations unless it says otherwise. */
#ifndef GPT_OPS_H
#define GPT_OPS_H

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Eight sums side by side, so that the compiler may use vectors without reordering. */
static inline float dot(const float *a, const float *b, size_t n) {
  float sum[8] = {0}, rest = 0;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (size_t k = 0; k < 8; k++) {
      sum[k] += a[i + k] * b[i + k];
    }
  }
  for (; i < n; i++) {
    rest += a[i] * b[i];
  }
  return rest + ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static inline void add_scaled(float *restrict y, float factor, const float *restrict x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    y[i] += factor * x[i];
  }
}

/* ---- y = x w + b, plus the residual if there is one -------------------------------------------------------------- */

static inline void linear(float *y, const float *x, const float *w, const float *residual, size_t rows, size_t in,
                          size_t out) {
  for (size_t r = 0; r < rows; r++, x += in, y += out) {
    memcpy(y, w + in * out, out * sizeof *y);
    if (residual) {
      add_scaled(y, 1, residual + r * out, out);
    }
    for (size_t i = 0; i < in; i++) {
      add_scaled(y, x[i], w + i * out, out);
    }
  }
}

static inline void linear_backward(float *dx, float *dw, const float *dy, const float *x, const float *w, size_t rows,
                                   size_t in, size_t out) {
  for (size_t r = 0; r < rows; r++, x += in, dx += in, dy += out) {
    for (size_t i = 0; i < in; i++) {
      dx[i] = dot(dy, w + i * out, out);
      add_scaled(dw + i * out, x[i], dy, out);
    }
    add_scaled(dw + in * out, 1, dy, out);
  }
}

/* ---- layer norm; stats: mean and reciprocal deviation of each row ------------------------------------------------- */

static inline void norm(float *y, float *stats, const float *x, const float *gain, size_t rows, size_t C) {
  for (size_t r = 0; r < rows; r++, x += C, y += C) {
    float mean = 0, variance = 0;
    for (size_t i = 0; i < C; i++) {
      mean += x[i] / (float)C;
    }
    for (size_t i = 0; i < C; i++) {
      variance += (x[i] - mean) * (x[i] - mean) / (float)C;
    }
    stats[2 * r] = mean;
    stats[2 * r + 1] = 1 / sqrtf(variance + 1e-5F);
    for (size_t i = 0; i < C; i++) {
      y[i] = (x[i] - mean) * stats[2 * r + 1] * gain[i] + gain[C + i];
    }
  }
}

/* Adds to dx: a residual's gradient is there already. */
static inline void norm_backward(float *dx, float *dgain, const float *dy, const float *x, const float *stats,
                                 const float *gain, size_t rows, size_t C) {
  for (size_t r = 0; r < rows; r++, x += C, dx += C, dy += C) {
    const float mean = stats[2 * r], scale = stats[2 * r + 1];
    float sum = 0, along = 0;
    for (size_t i = 0; i < C; i++) {
      const float normal = (x[i] - mean) * scale;
      sum += dy[i] * gain[i] / (float)C;
      along += dy[i] * gain[i] * normal / (float)C;
      dgain[i] += dy[i] * normal;
      dgain[C + i] += dy[i];
    }
    for (size_t i = 0; i < C; i++) {
      dx[i] += scale * (dy[i] * gain[i] - sum - (x[i] - mean) * scale * along);
    }
  }
}

/* ---- softmax and causal attention --------------------------------------------------------------------------------- */

/* In place: n scores become probabilities. */
static inline void softmax(float *x, size_t n) {
  float top = x[0], sum = 0;
  for (size_t i = 1; i < n; i++) {
    top = fmaxf(top, x[i]);
  }
  for (size_t i = 0; i < n; i++) {
    sum += x[i] = expf(x[i] - top);
  }
  for (size_t i = 0; i < n; i++) {
    x[i] /= sum;
  }
}

/* T tokens, C wide, H heads. Rows of qkv are 3 C wide: q, k, v, each with its heads side by side; weights are H x T x T. */
struct attention_shape {
  size_t T, C, H;
};

static inline void attend_head(float *mixed, float *weights, const float *q, const struct attention_shape *shape) {
  const size_t T = shape->T, C = shape->C, size = C / shape->H;
  const float *k = q + C, *v = k + C, scale = 1 / sqrtf((float)size);
  for (size_t t = 0; t < T; t++, mixed += C, weights += T) {
    for (size_t s = 0; s <= t; s++) {
      weights[s] = scale * dot(q + 3 * C * t, k + 3 * C * s, size);
    }
    softmax(weights, t + 1);
    memset(weights + t + 1, 0, (T - t - 1) * sizeof *weights);
    memset(mixed, 0, size * sizeof *mixed);
    for (size_t s = 0; s <= t; s++) {
      add_scaled(mixed, weights[s], v + 3 * C * s, size);
    }
  }
}

/* Adds to dq and what follows it; row: room for T floats. */
static inline void attend_head_backward(float *dq, const float *dmixed, const float *weights, const float *q,
                                        float *row, const struct attention_shape *shape) {
  const size_t T = shape->T, C = shape->C, size = C / shape->H;
  const float *k = q + C, *v = k + C, scale = 1 / sqrtf((float)size);
  float *dk = dq + C, *dv = dk + C;
  for (size_t t = 0; t < T; t++, dmixed += C, weights += T) {
    float sum = 0;
    for (size_t s = 0; s <= t; s++) {
      row[s] = dot(dmixed, v + 3 * C * s, size);
      sum += row[s] * weights[s];
      add_scaled(dv + 3 * C * s, weights[s], dmixed, size);
    }
    for (size_t s = 0; s <= t; s++) {
      const float score = scale * weights[s] * (row[s] - sum);
      add_scaled(dq + 3 * C * t, score, k + 3 * C * s, size);
      add_scaled(dk + 3 * C * s, score, q + 3 * C * t, size);
    }
  }
}

/* One sequence. */
static inline void attend(float *mixed, float *weights, const float *qkv, const struct attention_shape *shape) {
  const size_t size = shape->C / shape->H;
  for (size_t h = 0; h < shape->H; h++) {
    attend_head(mixed + h * size, weights + h * shape->T * shape->T, qkv + h * size, shape);
  }
}

static inline void attend_backward(float *dqkv, const float *dmixed, const float *weights, const float *qkv, float *row,
                                   const struct attention_shape *shape) {
  const size_t size = shape->C / shape->H;
  memset(dqkv, 0, 3 * shape->T * shape->C * sizeof *dqkv);
  for (size_t h = 0; h < shape->H; h++) {
    attend_head_backward(dqkv + h * size, dmixed + h * size, weights + h * shape->T * shape->T, qkv + h * size, row,
                         shape);
  }
}

/* ---- GELU: x Phi(x), and Phi(x) + x phi(x) ------------------------------------------------------------------------ */

static inline void gelu(float *y, const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    y[i] = 0.5F * x[i] * (1 + erff(x[i] * (float)M_SQRT1_2));
  }
}

/* dy becomes dx. */
static inline void gelu_backward(float *dy, const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    dy[i] *= 0.5F * (1 + erff(x[i] * (float)M_SQRT1_2)) + x[i] * 0.3989422804F * expf(-0.5F * x[i] * x[i]);
  }
}

#endif
