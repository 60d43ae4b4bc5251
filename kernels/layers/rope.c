#include "kernels/layers/rope.h"

#include "kernels/layers/arithmetic.h"

#include <math.h>
#include <string.h>

enum { PAIRS = 64 }; /* whose angles are made at once */
static const double BASE = 10000;

struct angles {
  float cosine[PAIRS], sine[PAIRS];
};

/* In float32, as the models do. */
static void angles_at(struct angles *angles, const struct rope *rope, size_t row, size_t first, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const float frequency = (float)pow(BASE, -2.0 * (double)(first + i) / (double)rope->width);
    angles->cosine[i] = cosf((float)row * frequency);
    angles->sine[i] = sinf((float)row * frequency);
  }
}

/* Pairs of one head, from `first` on. */
static void turn(const struct rope *rope, const struct angles *angles, size_t count, const float *x, float *y) {
  const size_t half = rope->width / 2;
  for (size_t i = 0; i < count; i++) {
    const float a = x[i], b = x[i + half];
    y[i] = a * angles->cosine[i] - b * angles->sine[i];
    y[i + half] = b * angles->cosine[i] + a * angles->sine[i];
  }
}

static void add_turned_back(const struct rope *rope, const struct angles *angles, size_t count, const float *dy,
                            float *dx) {
  const size_t half = rope->width / 2;
  for (size_t i = 0; i < count; i++) {
    const float a = dy[i], b = dy[i + half];
    dx[i] += a * angles->cosine[i] + b * angles->sine[i];
    dx[i + half] += b * angles->cosine[i] - a * angles->sine[i];
  }
}

typedef void turn_function(const struct rope *rope, const struct angles *angles, size_t count, const float *from,
                           float *to);

/* All heads of one row of all sequences: the angles are made once. */
static void turn_row(const struct rope *rope, size_t row, turn_function *function, const float *from, float *to) {
  const size_t half = rope->width / 2;
  for (size_t first = 0; first < half; first += PAIRS) {
    struct angles angles;
    const size_t count = half - first < PAIRS ? half - first : PAIRS;
    angles_at(&angles, rope, row, first, count);
    for (size_t i = 0; i < rope->batch * rope->heads; i++) {
      const size_t batch = i / rope->heads, head = i % rope->heads;
      const size_t at = (batch * rope->rows + row) * rope->stride + head * rope->width + first;
      function(rope, &angles, count, from + at, to + at);
    }
  }
}

void rope_forward(const struct rope *rope, const float *x, float *y) {
  const size_t turned = rope->heads * rope->width;
#pragma omp parallel for schedule(static) if (rope->batch * rope->rows * rope->stride > PARALLEL_ELEMENTS)
  for (size_t row = 0; row < rope->rows; row++) {
    turn_row(rope, row, turn, x, y);
    for (size_t b = 0; b < rope->batch; b++) {
      const size_t at = (b * rope->rows + row) * rope->stride + turned;
      memcpy(y + at, x + at, (rope->stride - turned) * sizeof *y);
    }
  }
}

void rope_backward(const struct rope *rope, const float *dy, float *dx) {
  const size_t turned = rope->heads * rope->width;
#pragma omp parallel for schedule(static) if (rope->batch * rope->rows * rope->stride > PARALLEL_ELEMENTS)
  for (size_t row = 0; row < rope->rows; row++) {
    turn_row(rope, row, add_turned_back, dy, dx);
    for (size_t b = 0; b < rope->batch; b++) {
      const size_t at = (b * rope->rows + row) * rope->stride;
      for (size_t i = turned; i < rope->stride; i++) {
        dx[at + i] += dy[at + i];
      }
    }
  }
}
