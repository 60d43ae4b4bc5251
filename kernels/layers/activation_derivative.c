/* The formulas are those of kernels/function_formulas.c, in float32 and without branches, so that the loops become
 * vectors. Within 5e-7 of f' (absolutely: |f'| is near 1 at most), which is what rounding of the operands leaves; far
 * tails are not relatively exact. Arguments are first cut off where f' is constant in float32, so that infinities
 * meet no zero. */
#include "kernels/layers/activation_derivative.h"

#include "kernels/layers/float_exp.h"

#include <math.h>

#define UNUSED __attribute__((unused))

static inline float cut(float x, float limit) { /* NaN stays */
  x = x < -limit ? -limit : x;
  return x > limit ? limit : x;
}

/* 1 / (1 + e^-x), and the same of -x, which is not 1 - s. */
struct logistic {
  float s, opposite;
};

static inline struct logistic logistic(float x) {
  const float e = float_exp(-fabsf(x)), near = 1 / (1 + e), far = e * near;
  return (struct logistic){x < 0 ? far : near, x < 0 ? near : far};
}

/* Phi(x) + x phi(x). Phi(-t) = P(1 / (1 + p t / sqrt 2)) e^(-t^2 / 2) / 2 by Abramowitz and Stegun 7.1.26, which is
 * 1.5e-7 off in erf at most. */
static inline float gelu(const float *p UNUSED, float x) {
  const float c = cut(x, 13), e = float_exp(-0.5f * c * c);
  const float t = 1 / (1 + 0.3275911f * 0.70710678f * fabsf(c));
  float tail = 1.061405429f;
  tail = tail * t - 1.453152027f;
  tail = tail * t + 1.421413741f;
  tail = tail * t - 0.284496736f;
  tail = (tail * t + 0.254829592f) * t * 0.5f * e;
  return (c < 0 ? tail : 1 - tail) + c * 0.39894228f * e;
}

static inline float gelu_tanh(const float *p UNUSED, float x) {
  const float c = cut(x, 10), square = c * c;
  const struct logistic l = logistic(1.5957691216f * c * (1 + 0.044715f * square));
  return l.s + c * l.s * l.opposite * 1.5957691216f * (1 + 0.134145f * square);
}

static inline float silu(const float *p UNUSED, float x) {
  const float c = cut(x, 88);
  const struct logistic l = logistic(c);
  return l.s + c * l.s * l.opposite;
}

static inline float mish(const float *p UNUSED, float x) {
  const float c = x > 20 ? 20 : x < -80 ? -80 : x; /* n^2 stays finite */
  const float e = float_exp(c), n = e * (e + 2), inverse = 1 / (n + 2);
  return n * inverse + 4 * c * e * (1 + e) * inverse * inverse;
}

static inline float softplus(const float *p, float x) {
  const float scaled = p[0] * x, s = logistic(scaled).s;
  return scaled > p[1] ? 1 : s;
}

static inline float elu(const float *p, float x) {
  const float e = p[0] * float_exp(x);
  return x > 0 ? 1 : e;
}

static inline float celu(const float *p, float x) {
  const float e = float_exp(x / p[0]);
  return x > 0 ? 1 : e;
}

static inline float selu(const float *p UNUSED, float x) {
  const float scale = 1.0507009873554804934f, e = 1.6732632423543772848f * float_exp(x);
  return scale * (x > 0 ? 1 : e);
}

static inline float hardswish(const float *p UNUSED, float x) {
  return x < -3 ? 0 : x <= 3 ? x / 3 + 0.5f : 1;
}

static inline float logsigmoid(const float *p UNUSED, float x) {
  return logistic(x).opposite;
}

static inline float sigmoid(const float *p UNUSED, float y) {
  return y * (1 - y);
}

static inline float tanh_result(const float *p UNUSED, float y) {
  return 1 - y * y;
}

static inline float softsign(const float *p UNUSED, float x) {
  const float r = 1 / (1 + fabsf(x));
  return r * r;
}

static inline float relu(const float *p UNUSED, float y) {
  return y > 0 ? 1 : 0;
}

static inline float inside(float low, float x, float high) {
  return x > low && x < high ? 1 : 0;
}

static inline float relu6(const float *p UNUSED, float x) {
  return inside(0, x, 6);
}

static inline float leaky_relu(const float *p, float x) {
  return x > 0 ? 1 : p[0];
}

static inline float hardtanh(const float *p, float x) {
  return inside(p[0], x, p[1]);
}

static inline float hardsigmoid(const float *p UNUSED, float x) {
  return inside(-3, x, 3) / 6;
}

static inline float shrink(const float *p, float x) {
  return x >= -p[0] && x <= p[0] ? 0 : 1;
}

static inline float threshold(const float *p, float x) {
  return x <= p[0] ? 0 : 1;
}

/* X(identity, function above). Not among them: tanhshrink, whose f' near 0 is a small square that float32 would lose. */
#define DERIVATIVES(X)                                                                                                 \
  X(FUNCTION_GELU, gelu)                                                                                               \
  X(FUNCTION_GELU_TANH, gelu_tanh)                                                                                     \
  X(FUNCTION_SILU, silu)                                                                                               \
  X(FUNCTION_MISH, mish)                                                                                               \
  X(FUNCTION_SOFTPLUS, softplus)                                                                                       \
  X(FUNCTION_ELU, elu)                                                                                                 \
  X(FUNCTION_CELU, celu)                                                                                               \
  X(FUNCTION_SELU, selu)                                                                                               \
  X(FUNCTION_HARDSWISH, hardswish)                                                                                     \
  X(FUNCTION_LOGSIGMOID, logsigmoid)                                                                                   \
  X(FUNCTION_SIGMOID, sigmoid)                                                                                         \
  X(FUNCTION_TANH, tanh_result)                                                                                        \
  X(FUNCTION_SOFTSIGN, softsign)                                                                                       \
  X(FUNCTION_RELU, relu)                                                                                               \
  X(FUNCTION_RELU6, relu6)                                                                                             \
  X(FUNCTION_LEAKY_RELU, leaky_relu)                                                                                   \
  X(FUNCTION_HARDTANH, hardtanh)                                                                                       \
  X(FUNCTION_HARDSIGMOID, hardsigmoid)                                                                                 \
  X(FUNCTION_HARDSHRINK, shrink)                                                                                       \
  X(FUNCTION_SOFTSHRINK, shrink)                                                                                       \
  X(FUNCTION_THRESHOLD, threshold)

/* Compiled for wider vectors too, and chosen by the CPU: without contraction the results are the same bits. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(LAYERS_NO_CLONES)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

#define LOOP(ID, name)                                                                                                 \
  CLONES static void loop_##ID(const float *params, const float *kept, const float *dy, float *dx, float beta,         \
                               size_t n) {                                                                             \
    const float p[FUNCTION_PARAMS] = {params[0], params[1]};                                                           \
    if (beta == 0) {                                                                                                   \
      for (size_t i = 0; i < n; i++) {                                                                                 \
        dx[i] = name(p, kept[i]) * dy[i];                                                                              \
      }                                                                                                                \
    } else {                                                                                                           \
      for (size_t i = 0; i < n; i++) {                                                                                 \
        dx[i] += name(p, kept[i]) * dy[i];                                                                             \
      }                                                                                                                \
    }                                                                                                                  \
  }
DERIVATIVES(LOOP)

activation_derivative *activation_derivative_of(enum function_id id) {
  static activation_derivative *const table[FUNCTION_COUNT] = {
#define ENTRY(ID, name) [ID] = loop_##ID,
      DERIVATIVES(ENTRY)
#undef ENTRY
  };
  return table[id];
}
