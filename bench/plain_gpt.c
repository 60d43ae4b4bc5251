#include "bench/plain_gpt.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { UNROLL = 8, BLOCK_PARAMETERS = 12, OTHER_PARAMETERS = 4 };
static const float EPSILON = 1e-5F;

/* ---- memory ------------------------------------------------------------------------------------------------------ */

struct linear {
  float *w, *b; /* (out, in), (out) */
};

struct norm {
  float *weight, *bias;
};

struct block_parameters {
  struct norm norm1;
  struct linear qkv, proj;
  struct norm norm2;
  struct linear fc1, fc2;
};

/* Weights or gradients. */
struct parameters {
  float *tokens, *positions;
  struct block_parameters *blocks;
  struct norm norm;
};

struct norm_results {
  float *y, *mean, *rstd;
};

/* Rows are batch times sequence. */
struct block_results {
  struct norm_results norm1, norm2;
  float *qkv, *probabilities, *mixed, *middle; /* middle: x after attention */
  float *hidden, *activated, *out;             /* out: x after the block */
};

struct plain_gpt {
  struct plain_gpt_sizes sizes;
  struct parameters weights, gradients;
  size_t *counts; /* of parameters */
  float **weight_arrays, **gradient_arrays;
  size_t arrays;
  float *moments1, *moments2;
  float *embedded;
  struct block_results *blocks;
  struct norm_results last;
  float *logits; /* then probabilities, then their gradient */
  /* gradients of results, used by one block after the other */
  float *d_x, *d_width, *d_qkv, *d_probabilities, *d_hidden;
  size_t steps;
  void **owned;
  size_t owned_count, owned_capacity;
  bool failed;
};

static void *take(struct plain_gpt *gpt, size_t count, size_t size) {
  if (gpt->owned_count == gpt->owned_capacity) {
    const size_t capacity = gpt->owned_capacity ? 2 * gpt->owned_capacity : 64;
    void **more = realloc(gpt->owned, capacity * sizeof *more);
    if (!more) {
      gpt->failed = true;
      return NULL;
    }
    gpt->owned = more;
    gpt->owned_capacity = capacity;
  }
  void *memory = calloc(count ? count : 1, size);
  gpt->owned[gpt->owned_count++] = memory;
  gpt->failed |= !memory;
  return memory;
}

static float *floats(struct plain_gpt *gpt, size_t count) {
  return take(gpt, count, sizeof(float));
}

static void add_parameter(struct plain_gpt *gpt, float **weight, float **gradient, size_t count) {
  *weight = floats(gpt, count);
  *gradient = floats(gpt, count);
  if (!gpt->failed) {
    gpt->weight_arrays[gpt->arrays] = *weight;
    gpt->gradient_arrays[gpt->arrays] = *gradient;
    gpt->counts[gpt->arrays++] = count;
  }
}

static void add_linear(struct plain_gpt *gpt, struct linear *weight, struct linear *gradient, size_t in, size_t out) {
  add_parameter(gpt, &weight->w, &gradient->w, in * out);
  add_parameter(gpt, &weight->b, &gradient->b, out);
}

static void add_norm(struct plain_gpt *gpt, struct norm *weight, struct norm *gradient, size_t width) {
  add_parameter(gpt, &weight->weight, &gradient->weight, width);
  add_parameter(gpt, &weight->bias, &gradient->bias, width);
}

static void add_parameters(struct plain_gpt *gpt) {
  const struct plain_gpt_sizes *s = &gpt->sizes;
  struct parameters *w = &gpt->weights, *g = &gpt->gradients;
  add_parameter(gpt, &w->tokens, &g->tokens, s->vocabulary * s->width);
  add_parameter(gpt, &w->positions, &g->positions, s->sequence * s->width);
  for (size_t i = 0; i < s->layers; i++) {
    struct block_parameters *wb = &w->blocks[i], *gb = &g->blocks[i];
    add_norm(gpt, &wb->norm1, &gb->norm1, s->width);
    add_linear(gpt, &wb->qkv, &gb->qkv, s->width, 3 * s->width);
    add_linear(gpt, &wb->proj, &gb->proj, s->width, s->width);
    add_norm(gpt, &wb->norm2, &gb->norm2, s->width);
    add_linear(gpt, &wb->fc1, &gb->fc1, s->width, s->hidden);
    add_linear(gpt, &wb->fc2, &gb->fc2, s->hidden, s->width);
  }
  add_norm(gpt, &w->norm, &g->norm, s->width);
}

static void add_norm_results(struct plain_gpt *gpt, struct norm_results *results, size_t rows) {
  results->y = floats(gpt, rows * gpt->sizes.width);
  results->mean = floats(gpt, rows);
  results->rstd = floats(gpt, rows);
}

static void add_results(struct plain_gpt *gpt) {
  const struct plain_gpt_sizes *s = &gpt->sizes;
  const size_t rows = s->batch * s->sequence, pairs = rows * s->heads * s->sequence;
  gpt->embedded = floats(gpt, rows * s->width);
  for (size_t i = 0; i < s->layers; i++) {
    struct block_results *b = &gpt->blocks[i];
    add_norm_results(gpt, &b->norm1, rows);
    add_norm_results(gpt, &b->norm2, rows);
    b->qkv = floats(gpt, rows * 3 * s->width);
    b->probabilities = floats(gpt, pairs);
    b->mixed = floats(gpt, rows * s->width);
    b->middle = floats(gpt, rows * s->width);
    b->hidden = floats(gpt, rows * s->hidden);
    b->activated = floats(gpt, rows * s->hidden);
    b->out = floats(gpt, rows * s->width);
  }
  add_norm_results(gpt, &gpt->last, rows);
  gpt->logits = floats(gpt, rows * s->vocabulary);
  gpt->d_x = floats(gpt, rows * s->width);
  gpt->d_width = floats(gpt, rows * s->width);
  gpt->d_qkv = floats(gpt, rows * 3 * s->width);
  gpt->d_probabilities = floats(gpt, pairs);
  gpt->d_hidden = floats(gpt, rows * s->hidden);
}

struct plain_gpt *plain_gpt_new(const struct plain_gpt_sizes *sizes) {
  struct plain_gpt *gpt = calloc(1, sizeof *gpt);
  if (!gpt) {
    return NULL;
  }
  gpt->sizes = *sizes;
  const size_t arrays = BLOCK_PARAMETERS * sizes->layers + OTHER_PARAMETERS;
  gpt->counts = take(gpt, arrays, sizeof *gpt->counts);
  gpt->weight_arrays = take(gpt, arrays, sizeof(float *));
  gpt->gradient_arrays = take(gpt, arrays, sizeof(float *));
  gpt->weights.blocks = take(gpt, sizes->layers, sizeof *gpt->weights.blocks);
  gpt->gradients.blocks = take(gpt, sizes->layers, sizeof *gpt->gradients.blocks);
  gpt->blocks = take(gpt, sizes->layers, sizeof *gpt->blocks);
  size_t total = 0;
  if (!gpt->failed) {
    add_parameters(gpt);
    add_results(gpt);
  }
  for (size_t i = 0; i < gpt->arrays; i++) {
    total += gpt->counts[i];
  }
  gpt->moments1 = floats(gpt, total);
  gpt->moments2 = floats(gpt, total);
  if (gpt->failed) {
    plain_gpt_free(gpt);
    return NULL;
  }
  return gpt;
}

void plain_gpt_free(struct plain_gpt *gpt) {
  if (gpt) {
    for (size_t i = 0; i < gpt->owned_count; i++) {
      free(gpt->owned[i]);
    }
    free(gpt->owned);
    free(gpt);
  }
}

float *plain_gpt_parameter(struct plain_gpt *gpt, size_t index, size_t *count) {
  *count = index < gpt->arrays ? gpt->counts[index] : 0;
  return index < gpt->arrays ? gpt->weight_arrays[index] : NULL;
}

/* ---- linear: y = x w^T + b --------------------------------------------------------------------------------------- */

/* UNROLL rows of x for each row of w, which is then read once for all of them. */
static void linear_rows(const float *x, const float *w, const float *b, float *y, size_t in, size_t out) {
  for (size_t o = 0; o < out; o++) {
    float sums[UNROLL];
    for (size_t r = 0; r < UNROLL; r++) {
      sums[r] = b ? b[o] : 0;
    }
    for (size_t i = 0; i < in; i++) {
      const float weight = w[o * in + i];
      for (size_t r = 0; r < UNROLL; r++) {
        sums[r] += x[r * in + i] * weight;
      }
    }
    for (size_t r = 0; r < UNROLL; r++) {
      y[r * out + o] = sums[r];
    }
  }
}

static void linear_row(const float *x, const float *w, const float *b, float *y, size_t in, size_t out) {
  for (size_t o = 0; o < out; o++) {
    float sum = b ? b[o] : 0;
    for (size_t i = 0; i < in; i++) {
      sum += x[i] * w[o * in + i];
    }
    y[o] = sum;
  }
}

static void linear_forward(const float *x, const struct linear *p, float *y, size_t rows, size_t in, size_t out) {
  const size_t whole = rows / UNROLL * UNROLL;
#pragma omp parallel for
  for (size_t r = 0; r < whole; r += UNROLL) {
    linear_rows(x + r * in, p->w, p->b, y + r * out, in, out);
  }
  for (size_t r = whole; r < rows; r++) {
    linear_row(x + r * in, p->w, p->b, y + r * out, in, out);
  }
}

/* dx = dy w is written; dw += dy^T x and db += the sum of dy. */
static void linear_backward(const float *x, const struct linear *p, const float *dy, float *dx, const struct linear *d,
                            size_t rows, size_t in, size_t out) {
#pragma omp parallel for
  for (size_t r = 0; r < rows; r++) {
    float *to = dx + r * in;
    memset(to, 0, in * sizeof *to);
    for (size_t o = 0; o < out; o++) {
      const float factor = dy[r * out + o];
      const float *w = p->w + o * in;
      for (size_t i = 0; i < in; i++) {
        to[i] += factor * w[i];
      }
    }
  }
#pragma omp parallel for
  for (size_t o = 0; o < out; o++) {
    float *to = d->w + o * in;
    for (size_t r = 0; r < rows; r++) {
      const float factor = dy[r * out + o];
      if (d->b) {
        d->b[o] += factor;
      }
      for (size_t i = 0; i < in; i++) {
        to[i] += factor * x[r * in + i];
      }
    }
  }
}

/* ---- norm, GELU, sums -------------------------------------------------------------------------------------------- */

static void norm_forward(const float *x, const struct norm *p, const struct norm_results *to, size_t rows,
                         size_t width) {
#pragma omp parallel for
  for (size_t r = 0; r < rows; r++) {
    const float *row = x + r * width;
    float mean = 0, variance = 0;
    for (size_t i = 0; i < width; i++) {
      mean += row[i];
    }
    mean /= (float)width;
    for (size_t i = 0; i < width; i++) {
      variance += (row[i] - mean) * (row[i] - mean);
    }
    const float rstd = 1 / sqrtf(variance / (float)width + EPSILON);
    for (size_t i = 0; i < width; i++) {
      to->y[r * width + i] = (row[i] - mean) * rstd * p->weight[i] + p->bias[i];
    }
    to->mean[r] = mean;
    to->rstd[r] = rstd;
  }
}

/* dx is added to. */
static void norm_backward(const float *x, const struct norm *p, const struct norm_results *kept, const float *dy,
                          float *dx, const struct norm *d, size_t rows, size_t width) {
  for (size_t r = 0; r < rows; r++) {
    const float *row = x + r * width, *dy_row = dy + r * width;
    const float mean = kept->mean[r], rstd = kept->rstd[r];
    float sum = 0, product = 0;
    for (size_t i = 0; i < width; i++) {
      const float normal = (row[i] - mean) * rstd, g = p->weight[i] * dy_row[i];
      sum += g;
      product += g * normal;
      d->weight[i] += dy_row[i] * normal;
      d->bias[i] += dy_row[i];
    }
    sum /= (float)width;
    product /= (float)width;
    for (size_t i = 0; i < width; i++) {
      const float normal = (row[i] - mean) * rstd;
      dx[r * width + i] += rstd * (p->weight[i] * dy_row[i] - sum - normal * product);
    }
  }
}

static void gelu_forward(const float *x, float *y, size_t count) {
#pragma omp parallel for
  for (size_t i = 0; i < count; i++) {
    y[i] = 0.5F * x[i] * (1 + erff(x[i] * (float)M_SQRT1_2));
  }
}

/* In place: dy becomes dx. Phi(x) + x phi(x). */
static void gelu_backward(const float *x, float *dy, size_t count) {
  const float density = 0.3989422804F; /* 1 / sqrt(2 pi) */
#pragma omp parallel for
  for (size_t i = 0; i < count; i++) {
    const float normal = 0.5F * (1 + erff(x[i] * (float)M_SQRT1_2));
    dy[i] *= normal + x[i] * density * expf(-0.5F * x[i] * x[i]);
  }
}

static void sum(const float *x, const float *y, float *to, size_t count) {
  for (size_t i = 0; i < count; i++) {
    to[i] = x[i] + y[i];
  }
}

/* ---- attention: softmax(q k^T / sqrt(d)) v of each head, causal -------------------------------------------------- */

/* Token t of one head: where its query is; keys and values come a width and two widths after, tokens three widths apart. */
static void attend(const float *head, size_t t, size_t width, size_t depth, float *row, float *y) {
  const float scale = 1 / sqrtf((float)depth), *query = head + t * 3 * width;
  float largest = -FLT_MAX, total = 0;
  for (size_t s = 0; s <= t; s++) {
    const float *key = head + s * 3 * width + width;
    float score = 0;
    for (size_t i = 0; i < depth; i++) {
      score += query[i] * key[i];
    }
    row[s] = score * scale;
    largest = row[s] > largest ? row[s] : largest;
  }
  for (size_t s = 0; s <= t; s++) {
    row[s] = expf(row[s] - largest);
    total += row[s];
  }
  memset(y, 0, depth * sizeof *y);
  for (size_t s = 0; s <= t; s++) {
    const float *value = head + s * 3 * width + 2 * width;
    row[s] /= total;
    for (size_t i = 0; i < depth; i++) {
      y[i] += row[s] * value[i];
    }
  }
}

static void attention_forward(const struct plain_gpt_sizes *sizes, const float *qkv, float *probabilities, float *y) {
  const size_t length = sizes->sequence, width = sizes->width, heads = sizes->heads, depth = width / heads;
#pragma omp parallel for collapse(3)
  for (size_t b = 0; b < sizes->batch; b++) {
    for (size_t t = 0; t < length; t++) {
      for (size_t h = 0; h < heads; h++) {
        attend(qkv + b * length * 3 * width + h * depth, t, width, depth,
               probabilities + ((b * heads + h) * length + t) * length, y + (b * length + t) * width + h * depth);
      }
    }
  }
}

/* Back through what attend() did; d_head is laid out as head and added to. */
static void attend_backward(const float *head, size_t t, size_t width, size_t depth, const float *row, const float *dy,
                            float *d_row, float *d_head) {
  const float scale = 1 / sqrtf((float)depth), *query = head + t * 3 * width;
  float mean = 0, *d_query = d_head + t * 3 * width;
  for (size_t s = 0; s <= t; s++) {
    const float *value = head + s * 3 * width + 2 * width;
    float *d_value = d_head + s * 3 * width + 2 * width, d = 0;
    for (size_t i = 0; i < depth; i++) {
      d += value[i] * dy[i];
      d_value[i] += row[s] * dy[i];
    }
    d_row[s] = d;
    mean += d * row[s];
  }
  for (size_t s = 0; s <= t; s++) {
    const float *key = head + s * 3 * width + width, d = row[s] * (d_row[s] - mean) * scale;
    float *d_key = d_head + s * 3 * width + width;
    for (size_t i = 0; i < depth; i++) {
      d_query[i] += d * key[i];
      d_key[i] += d * query[i];
    }
  }
}

static void attention_backward(const struct plain_gpt_sizes *sizes, const float *qkv, const float *probabilities,
                               const float *dy, float *d_probabilities, float *d_qkv) {
  const size_t length = sizes->sequence, width = sizes->width, heads = sizes->heads, depth = width / heads;
  memset(d_qkv, 0, sizes->batch * length * 3 * width * sizeof *d_qkv);
#pragma omp parallel for collapse(2)
  for (size_t b = 0; b < sizes->batch; b++) {
    for (size_t h = 0; h < heads; h++) {
      for (size_t t = 0; t < length; t++) {
        const size_t row = ((b * heads + h) * length + t) * length, from = b * length * 3 * width + h * depth;
        attend_backward(qkv + from, t, width, depth, probabilities + row, dy + (b * length + t) * width + h * depth,
                        d_probabilities + row, d_qkv + from);
      }
    }
  }
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

static void embed(const struct plain_gpt *gpt, const int32_t *tokens) {
  const struct plain_gpt_sizes *s = &gpt->sizes;
  for (size_t r = 0; r < s->batch * s->sequence; r++) {
    sum(gpt->weights.tokens + (size_t)tokens[r] * s->width, gpt->weights.positions + r % s->sequence * s->width,
        gpt->embedded + r * s->width, s->width);
  }
}

static void block_forward(struct plain_gpt *gpt, size_t i, const float *x) {
  const struct plain_gpt_sizes *s = &gpt->sizes;
  const size_t rows = s->batch * s->sequence, width = s->width;
  const struct block_parameters *p = &gpt->weights.blocks[i];
  const struct block_results *to = &gpt->blocks[i];
  norm_forward(x, &p->norm1, &to->norm1, rows, width);
  linear_forward(to->norm1.y, &p->qkv, to->qkv, rows, width, 3 * width);
  attention_forward(s, to->qkv, to->probabilities, to->mixed);
  linear_forward(to->mixed, &p->proj, to->middle, rows, width, width);
  sum(x, to->middle, to->middle, rows * width);
  norm_forward(to->middle, &p->norm2, &to->norm2, rows, width);
  linear_forward(to->norm2.y, &p->fc1, to->hidden, rows, width, s->hidden);
  gelu_forward(to->hidden, to->activated, rows * s->hidden);
  linear_forward(to->activated, &p->fc2, to->out, rows, s->hidden, width);
  sum(to->middle, to->out, to->out, rows * width);
}

/* gpt->d_x: the gradient of the block's result, then of x. */
static void block_backward(struct plain_gpt *gpt, size_t i, const float *x) {
  const struct plain_gpt_sizes *s = &gpt->sizes;
  const size_t rows = s->batch * s->sequence, width = s->width;
  const struct block_parameters *p = &gpt->weights.blocks[i], *d = &gpt->gradients.blocks[i];
  const struct block_results *kept = &gpt->blocks[i];
  linear_backward(kept->activated, &p->fc2, gpt->d_x, gpt->d_hidden, &d->fc2, rows, s->hidden, width);
  gelu_backward(kept->hidden, gpt->d_hidden, rows * s->hidden);
  linear_backward(kept->norm2.y, &p->fc1, gpt->d_hidden, gpt->d_width, &d->fc1, rows, width, s->hidden);
  norm_backward(kept->middle, &p->norm2, &kept->norm2, gpt->d_width, gpt->d_x, &d->norm2, rows, width);
  linear_backward(kept->mixed, &p->proj, gpt->d_x, gpt->d_width, &d->proj, rows, width, width);
  attention_backward(s, kept->qkv, kept->probabilities, gpt->d_width, gpt->d_probabilities, gpt->d_qkv);
  linear_backward(kept->norm1.y, &p->qkv, gpt->d_qkv, gpt->d_width, &d->qkv, rows, width, 3 * width);
  norm_backward(x, &p->norm1, &kept->norm1, gpt->d_width, gpt->d_x, &d->norm1, rows, width);
}

/* The mean of -log softmax(logits)[target]; logits become their gradient. */
static float cross_entropy(float *logits, const int32_t *targets, size_t rows, size_t classes) {
  float loss = 0;
#pragma omp parallel for reduction(+ : loss)
  for (size_t r = 0; r < rows; r++) {
    float *row = logits + r * classes, largest = -FLT_MAX, total = 0;
    for (size_t i = 0; i < classes; i++) {
      largest = row[i] > largest ? row[i] : largest;
    }
    for (size_t i = 0; i < classes; i++) {
      row[i] = expf(row[i] - largest);
      total += row[i];
    }
    loss -= logf(row[targets[r]] / total);
    for (size_t i = 0; i < classes; i++) {
      row[i] /= total * (float)rows;
    }
    row[targets[r]] -= 1 / (float)rows;
  }
  return loss / (float)rows;
}

static float forward_and_head(struct plain_gpt *gpt, const int32_t *tokens, const int32_t *targets) {
  const struct plain_gpt_sizes *s = &gpt->sizes;
  const size_t rows = s->batch * s->sequence;
  embed(gpt, tokens);
  for (size_t i = 0; i < s->layers; i++) {
    block_forward(gpt, i, i ? gpt->blocks[i - 1].out : gpt->embedded);
  }
  const float *x = s->layers ? gpt->blocks[s->layers - 1].out : gpt->embedded;
  const struct linear head = {gpt->weights.tokens, NULL}, d_head = {gpt->gradients.tokens, NULL};
  norm_forward(x, &gpt->weights.norm, &gpt->last, rows, s->width);
  linear_forward(gpt->last.y, &head, gpt->logits, rows, s->width, s->vocabulary);
  const float loss = cross_entropy(gpt->logits, targets, rows, s->vocabulary);
  linear_backward(gpt->last.y, &head, gpt->logits, gpt->d_width, &d_head, rows, s->width, s->vocabulary);
  memset(gpt->d_x, 0, rows * s->width * sizeof(float));
  norm_backward(x, &gpt->weights.norm, &gpt->last, gpt->d_width, gpt->d_x, &gpt->gradients.norm, rows, s->width);
  return loss;
}

static void backward(struct plain_gpt *gpt, const int32_t *tokens) {
  const struct plain_gpt_sizes *s = &gpt->sizes;
  for (size_t i = s->layers; i-- > 0;) {
    block_backward(gpt, i, i ? gpt->blocks[i - 1].out : gpt->embedded);
  }
  for (size_t r = 0; r < s->batch * s->sequence; r++) {
    float *token = gpt->gradients.tokens + (size_t)tokens[r] * s->width;
    float *position = gpt->gradients.positions + r % s->sequence * s->width;
    sum(token, gpt->d_x + r * s->width, token, s->width);
    sum(position, gpt->d_x + r * s->width, position, s->width);
  }
}

/* ---- AdamW ------------------------------------------------------------------------------------------------------- */

/* Matrices decay: the two tables and the weights of linear, each four arrays after its like in a block. */
static bool decays(const struct plain_gpt *gpt, size_t index) {
  static const bool in_block[BLOCK_PARAMETERS] = {[2] = true, [4] = true, [8] = true, [10] = true};
  const size_t tables = 2;
  return index < tables || (index < gpt->arrays - tables && in_block[(index - tables) % BLOCK_PARAMETERS]);
}

static void update(struct plain_gpt *gpt, const struct plain_gpt_adamw *o) {
  gpt->steps++;
  const float correction1 = 1 - powf(o->beta1, (float)gpt->steps), correction2 = 1 - powf(o->beta2, (float)gpt->steps);
  float *m = gpt->moments1, *v = gpt->moments2;
  for (size_t k = 0; k < gpt->arrays; k++) {
    float *w = gpt->weight_arrays[k];
    const float *g = gpt->gradient_arrays[k], shrink = decays(gpt, k) ? 1 - o->rate * o->decay : 1;
    for (size_t i = 0; i < gpt->counts[k]; i++) {
      m[i] = o->beta1 * m[i] + (1 - o->beta1) * g[i];
      v[i] = o->beta2 * v[i] + (1 - o->beta2) * g[i] * g[i];
      w[i] = shrink * w[i] - o->rate * (m[i] / correction1) / (sqrtf(v[i] / correction2) + o->epsilon);
    }
    m += gpt->counts[k];
    v += gpt->counts[k];
  }
}

float plain_gpt_step(struct plain_gpt *gpt, const struct plain_gpt_adamw *adamw, const int32_t *tokens,
                     const int32_t *targets) {
  for (size_t k = 0; k < gpt->arrays; k++) {
    memset(gpt->gradient_arrays[k], 0, gpt->counts[k] * sizeof(float));
  }
  const float loss = forward_and_head(gpt, tokens, targets);
  backward(gpt, tokens);
  update(gpt, adamw);
  return loss;
}
