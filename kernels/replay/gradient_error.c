/* Cosine and relative error, by pieces. */
#include "kernels/replay/gradient_error.h"

#include "kernels/half.h"

#include <math.h>

enum { PIECE = 4096, TEAM = 64 }; /* elements of a piece; pieces whose sums wait to be added up in order */

static struct gradient_error sums_of(const double *exact, const double *other, size_t n) {
  struct gradient_error sums = {0};
  for (size_t i = 0; i < n; i++) {
    const double difference = other[i] - exact[i];
    sums.exact += exact[i] * exact[i];
    sums.other += other[i] * other[i];
    sums.product += exact[i] * other[i];
    sums.difference += difference * difference;
  }
  return sums;
}

void gradient_error_merge(struct gradient_error *error, const struct gradient_error *part, double times) {
  error->exact += times * part->exact;
  error->other += times * part->other;
  error->product += times * part->product;
  error->difference += times * part->difference;
}

void gradient_error_add(struct gradient_error *error, const float *exact, const float *other, size_t n) {
  double a[PIECE], b[PIECE];
  for (size_t first = 0; first < n; first += PIECE) {
    const size_t count = n - first < PIECE ? n - first : PIECE;
    for (size_t i = 0; i < count; i++) {
      a[i] = (double)exact[first + i];
      b[i] = (double)other[first + i];
    }
    const struct gradient_error sums = sums_of(a, b, count);
    gradient_error_merge(error, &sums, 1);
  }
}

static double element(const void *array, enum run_type type, size_t i) {
  switch (type) {
  case RUN_BFLOAT16:
    return (double)bf16_to_float(((const uint16_t *)array)[i]);
  case RUN_FLOAT16:
    return (double)fp16_to_float(((const uint16_t *)array)[i]);
  default:
    return (double)((const float *)array)[i];
  }
}

struct arrays {
  const struct function *function;
  enum run_type type;
  const void *x, *dy, *dx;
};

static struct gradient_error piece(const struct arrays *arrays, size_t first, size_t n) {
  double exact[PIECE], other[PIECE];
  for (size_t i = 0; i < n; i++) {
    exact[i] = function_derivative(arrays->function, element(arrays->x, arrays->type, first + i)) *
               element(arrays->dy, arrays->type, first + i);
    other[i] = element(arrays->dx, arrays->type, first + i);
  }
  return sums_of(exact, other, n);
}

void gradient_error_add_function(struct gradient_error *error, const struct function *function, enum run_type type,
                                 const void *x, const void *dy, const void *dx, size_t n) {
  const struct arrays arrays = {function, type, x, dy, dx};
  const size_t pieces = n / PIECE + (n % PIECE != 0);
  for (size_t done = 0; done < pieces; done += TEAM) {
    struct gradient_error sums[TEAM];
    const size_t team = pieces - done < TEAM ? pieces - done : TEAM;
#ifdef _OPENMP
#pragma omp parallel for schedule(static)
#endif
    for (size_t i = 0; i < team; i++) {
      const size_t first = (done + i) * PIECE;
      sums[i] = piece(&arrays, first, n - first < PIECE ? n - first : PIECE);
    }
    for (size_t i = 0; i < team; i++) {
      gradient_error_merge(error, &sums[i], 1);
    }
  }
}

double gradient_error_cosine(const struct gradient_error *error) {
  if (error->exact == 0 || error->other == 0) {
    return error->exact == error->other ? 1 : 0;
  }
  if (error->difference == 0) {
    return 1; /* where square roots would round to a little less */
  }
  const double cosine = error->product / (sqrt(error->exact) * sqrt(error->other));
  return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine; /* rounding; NaN stays */
}

double gradient_error_relative(const struct gradient_error *error) {
  if (error->exact == 0) {
    return error->difference == 0 ? 0 : (double)INFINITY;
  }
  return sqrt(error->difference) / sqrt(error->exact);
}

struct gradient_figures gradient_error_figures(const struct gradient_error *error) {
  return (struct gradient_figures){gradient_error_cosine(error), gradient_error_relative(error)};
}
