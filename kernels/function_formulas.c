/* f, f' and the integral of f'^2, function by function. Written so that tails keep their relative accuracy: no 1 - tanh,
 * no log(1 + e). Where a piece begins follows PyTorch's backward kernels to the operator (< or <=). */
#include "kernels/function_formulas.h"

#include <math.h>

#define UNUSED __attribute__((unused))

static const double pi_root_2 = 0.79788456080286535588;     /* sqrt(2 / pi) */
static const double half_root = 0.70710678118654752440;     /* sqrt(1 / 2) */
static const double normal_factor = 0.39894228040143267794; /* 1 / sqrt(2 pi) */

static double logistic(double x) {
  return 1 / (1 + exp(-x));
}

static double log1p_exp(double x) {
  return fmax(x, 0) + log1p(exp(-fabs(x)));
}

/* ---- gelu ------------------------------------------------------------------------------------------------------ */

static double gelu_value(const double *p UNUSED, double x) {
  return isinf(x) ? fmax(x, 0) : 0.5 * x * erfc(-x * half_root);
}

static double gelu_derivative(const double *p UNUSED, double x, double probe UNUSED) {
  double density = normal_factor * exp(-0.5 * x * x);
  return 0.5 * erfc(-x * half_root) + (density > 0 ? x * density : 0);
}

/* 0.5 x (1 + tanh u) = x logistic(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3) */
static double gelu_tanh_value(const double *p UNUSED, double x) {
  return isinf(x) ? fmax(x, 0) : x * logistic(2 * pi_root_2 * x * (1 + 0.044715 * x * x));
}

static double gelu_tanh_derivative(const double *p UNUSED, double x, double probe UNUSED) {
  double s = logistic(2 * pi_root_2 * x * (1 + 0.044715 * x * x));
  double opposite = logistic(-2 * pi_root_2 * x * (1 + 0.044715 * x * x));
  double weight = s * opposite;
  return s + (weight > 0 ? x * weight * 2 * pi_root_2 * (1 + 3 * 0.044715 * x * x) : 0);
}

/* ---- silu, mish ------------------------------------------------------------------------------------------------ */

static double silu_value(const double *p UNUSED, double x) {
  return isinf(x) ? fmax(x, 0) : x * logistic(x);
}

static double silu_derivative(const double *p UNUSED, double x, double probe UNUSED) {
  double s = logistic(x), weight = s * logistic(-x);
  return s + (weight > 0 ? x * weight : 0);
}

/* tanh(log(1 + e)) = n / (n + 2) with e = exp(x), n = e (e + 2) */
static double mish_value(const double *p UNUSED, double x) {
  double e, n;
  if (x > 40) { /* n overflows later; 2 / n is below rounding here */
    return x;
  }
  e = exp(x);
  n = e * (e + 2);
  return e > 0 ? x * (n / (n + 2)) : 0 * (isnan(x) ? x : 1);
}

static double mish_derivative(const double *p UNUSED, double x, double probe UNUSED) {
  double e, n;
  if (x > 40) {
    return 1;
  }
  e = exp(x);
  n = e * (e + 2);
  return n / (n + 2) + (e > 0 ? 4 * x * e * (1 + e) / ((n + 2) * (n + 2)) : 0);
}

/* ---- softplus, logsigmoid -------------------------------------------------------------------------------------- */

static double softplus_value(const double *p, double x) {
  return p[0] * x > p[1] ? x : log1p_exp(p[0] * x) / p[0];
}

static double softplus_derivative(const double *p, double x, double probe) {
  return p[0] * probe > p[1] ? 1 : logistic(p[0] * x);
}

/* A primitive of logistic(x)^2, log(1 + e^x) - logistic(x): it behaves as e^2x / 2 in the left tail. */
static double logistic_square_integral(double a, double b) {
  return (log1p_exp(b) - log1p_exp(a)) - (logistic(b) - logistic(a));
}

static double softplus_square(const double *p, double a, double b) {
  return p[0] * (0.5 * a + 0.5 * b) > p[1] ? b - a : logistic_square_integral(p[0] * a, p[0] * b) / p[0];
}

static unsigned softplus_knots(const double *p, struct function_knot *knots) {
  knots[0] = (struct function_knot){p[1] / p[0], true, true};
  return 1;
}

static bool softplus_valid(const double *p) {
  return p[0] > 0;
}

static double logsigmoid_value(const double *p UNUSED, double x) {
  return -log1p_exp(-x);
}

static double logsigmoid_derivative(const double *p UNUSED, double x, double probe UNUSED) {
  return logistic(-x);
}

static double logsigmoid_square(const double *p UNUSED, double a, double b) {
  return logistic_square_integral(-b, -a);
}

/* ---- elu, celu, selu: s (x > 0 ? x : alpha (e^(x / scale) - 1)) ------------------------------------------------- */

static const double selu_alpha = 1.6732632423543772848170429916717;
static const double selu_scale = 1.0507009873554804934193349852946;

static double elu_value(const double *p, double x) {
  return x > 0 ? x : p[0] * expm1(x);
}

static double elu_derivative(const double *p, double x, double probe) {
  return probe > 0 ? 1 : p[0] * exp(x);
}

/* The integral of e^(2x) over [a, b], without cancellation. */
static double exp_square_integral(double a, double b) {
  return -0.5 * exp(2 * b) * expm1(2 * (a - b));
}

static double elu_square(const double *p, double a, double b) {
  return a + b > 0 ? b - a : p[0] * p[0] * exp_square_integral(a, b);
}

static unsigned elu_knots(const double *p, struct function_knot *knots) {
  knots[0] = (struct function_knot){0, true, p[0] != 1};
  return 1;
}

static double celu_value(const double *p, double x) {
  return x > 0 ? x : p[0] * expm1(x / p[0]);
}

static double celu_derivative(const double *p, double x, double probe) {
  return probe > 0 ? 1 : exp(x / p[0]);
}

static double celu_square(const double *p, double a, double b) {
  return a + b > 0 ? b - a : p[0] * exp_square_integral(a / p[0], b / p[0]);
}

static bool positive(const double *p) {
  return p[0] > 0;
}

static double selu_value(const double *p UNUSED, double x) {
  return selu_scale * elu_value(&selu_alpha, x);
}

static double selu_derivative(const double *p UNUSED, double x, double probe) {
  return selu_scale * elu_derivative(&selu_alpha, x, probe);
}

static double selu_square(const double *p UNUSED, double a, double b) {
  return selu_scale * selu_scale * elu_square(&selu_alpha, a, b);
}

/* celu' is 1 on both sides of 0 */
static unsigned zero_knot(const double *p UNUSED, struct function_knot *knots) {
  knots[0] = (struct function_knot){0, true, false};
  return 1;
}

static unsigned zero_jump(const double *p UNUSED, struct function_knot *knots) {
  knots[0] = (struct function_knot){0, true, true};
  return 1;
}

/* ---- hardswish ------------------------------------------------------------------------------------------------- */

static double hardswish_value(const double *p UNUSED, double x) {
  return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6;
}

static double hardswish_derivative(const double *p UNUSED, double x, double probe) {
  return probe < -3 ? 0 : probe <= 3 ? x / 3 + 0.5 : 1;
}

static double cube(double x) {
  return x * x * x;
}

static double hardswish_square(const double *p UNUSED, double a, double b) {
  double middle = 0.5 * (a + b);
  return middle < -3 ? 0 : middle > 3 ? b - a : cube(b / 3 + 0.5) - cube(a / 3 + 0.5);
}

static unsigned hardswish_knots(const double *p UNUSED, struct function_knot *knots) {
  knots[0] = (struct function_knot){-3, false, true};
  knots[1] = (struct function_knot){3, true, true};
  return 2;
}

/* ---- sigmoid, tanh, softsign, tanhshrink ----------------------------------------------------------------------- */

static double sigmoid_value(const double *p UNUSED, double x) {
  return logistic(x);
}

static double sigmoid_derivative(const double *p UNUSED, double x, double probe UNUSED) {
  return logistic(x) * logistic(-x);
}

/* With s = logistic(x), ds = s (1 - s) dx: the integral of s (1 - s) ds; from the side on which s is small. */
static double sigmoid_square(const double *p UNUSED, double a, double b) {
  double low, high;
  if (a + b > 0) {
    double swap = a;
    a = -b;
    b = -swap;
  }
  low = logistic(a);
  high = logistic(b);
  return (high - low) * (0.5 * (high + low) - (high * high + high * low + low * low) / 3);
}

static double tanh_value(const double *p UNUSED, double x) {
  return tanh(x);
}

/* tanh'(x) = 4 sigmoid'(2 x) */
static double tanh_derivative(const double *p UNUSED, double x, double probe UNUSED) {
  return 4 * logistic(2 * x) * logistic(-2 * x);
}

static double tanh_square(const double *p, double a, double b) {
  return 8 * sigmoid_square(p, 2 * a, 2 * b);
}

static double softsign_value(const double *p UNUSED, double x) {
  return isinf(x) ? copysign(1, x) : x / (1 + fabs(x));
}

static double softsign_derivative(const double *p UNUSED, double x, double probe UNUSED) {
  double r = 1 / (1 + fabs(x));
  return r * r;
}

static double softsign_square(const double *p UNUSED, double a, double b) {
  return fabs(cube(1 / (1 + fabs(a))) - cube(1 / (1 + fabs(b)))) / 3;
}

static double tanhshrink_value(const double *p UNUSED, double x) {
  double z = x * x;
  if (fabs(x) < 0.03) { /* the next term is below 1e-15 of the first here */
    return x * z * (1 / 3.0 - z * (2 / 15.0 - z * (17 / 315.0 - z * (62 / 2835.0 - z * (1382 / 155925.0)))));
  }
  return isinf(x) ? x : x - tanh(x);
}

static double tanhshrink_derivative(const double *p UNUSED, double x, double probe UNUSED) {
  double t = tanh(x);
  return t * t;
}

static double tanhshrink_square(const double *p UNUSED, double a, double b) {
  return (b - a) - (tanh(b) - tanh(a)) - (cube(tanh(b)) - cube(tanh(a))) / 3;
}

/* ---- piecewise linear ------------------------------------------------------------------------------------------ */

static double relu_value(const double *p UNUSED, double x) {
  return x <= 0 ? 0 : x;
}

static double relu_derivative(const double *p UNUSED, double x UNUSED, double probe) {
  return probe > 0;
}

static double clamp(double x, double low, double high) {
  return x <= low ? low : x >= high ? high : x; /* NaN passes */
}

static double inside(double low, double probe, double high) {
  return probe > low && probe < high;
}

static unsigned inside_knots(double low, double high, struct function_knot *knots) {
  knots[0] = (struct function_knot){low, true, true};
  knots[1] = (struct function_knot){high, false, true};
  return 2;
}

static double relu6_value(const double *p UNUSED, double x) {
  return clamp(x, 0, 6);
}

static double relu6_derivative(const double *p UNUSED, double x UNUSED, double probe) {
  return inside(0, probe, 6);
}

static unsigned relu6_knots(const double *p UNUSED, struct function_knot *knots) {
  return inside_knots(0, 6, knots);
}

static double leaky_relu_value(const double *p, double x) {
  return x > 0 ? x : p[0] * x;
}

static double leaky_relu_derivative(const double *p, double x UNUSED, double probe) {
  return probe > 0 ? 1 : p[0];
}

static double hardtanh_value(const double *p, double x) {
  return clamp(x, p[0], p[1]);
}

static double hardtanh_derivative(const double *p, double x UNUSED, double probe) {
  return inside(p[0], probe, p[1]);
}

static unsigned hardtanh_knots(const double *p, struct function_knot *knots) {
  return inside_knots(p[0], p[1], knots);
}

static bool ordered(const double *p) {
  return p[0] < p[1];
}

static double hardsigmoid_value(const double *p UNUSED, double x) {
  return clamp(x + 3, 0, 6) / 6;
}

static double hardsigmoid_derivative(const double *p UNUSED, double x UNUSED, double probe) {
  return inside(-3, probe, 3) / 6;
}

static unsigned hardsigmoid_knots(const double *p UNUSED, struct function_knot *knots) {
  return inside_knots(-3, 3, knots);
}

static double hardshrink_value(const double *p, double x) {
  return x >= -p[0] && x <= p[0] ? 0 : x;
}

static double shrink_derivative(const double *p, double x UNUSED, double probe) {
  return !(probe >= -p[0] && probe <= p[0]);
}

static unsigned shrink_knots(const double *p, struct function_knot *knots) {
  knots[0] = (struct function_knot){-p[0], false, true};
  knots[1] = (struct function_knot){p[0], true, true};
  return 2;
}

static bool not_negative(const double *p) {
  return p[0] >= 0;
}

static double softshrink_value(const double *p, double x) {
  return x > p[0] ? x - p[0] : x < -p[0] ? x + p[0] : isnan(x) ? x : 0;
}

static double threshold_value(const double *p, double x) {
  return x <= p[0] ? p[1] : x;
}

static double threshold_derivative(const double *p, double x UNUSED, double probe) {
  return !(probe <= p[0]);
}

static unsigned threshold_knots(const double *p, struct function_knot *knots) {
  knots[0] = (struct function_knot){p[0], true, true};
  return 1;
}

/* A slope is constant within a piece. */
#define SLOPE_SQUARE(name)                                                                                             \
  static double name##_square(const double *p, double a, double b) {                                                   \
    double slope = name##_derivative(p, 0.5 * (a + b), 0.5 * (a + b));                                                 \
    return slope * slope * (b - a);                                                                                    \
  }
SLOPE_SQUARE(relu)
SLOPE_SQUARE(relu6)
SLOPE_SQUARE(leaky_relu)
SLOPE_SQUARE(hardtanh)
SLOPE_SQUARE(hardsigmoid)
SLOPE_SQUARE(shrink)
SLOPE_SQUARE(threshold)

/* ---- the table ------------------------------------------------------------------------------------------------- */

#define NONE                                                                                                           \
  0, {NULL, NULL}, {                                                                                                   \
    0, 0                                                                                                               \
  }
#define ONE(name, value)                                                                                               \
  1, {name, NULL}, {                                                                                                   \
    value, 0                                                                                                           \
  }
#define TWO(name, value, other, other_value)                                                                           \
  2, {name, other}, {                                                                                                  \
    value, other_value                                                                                                 \
  }

const struct function_formulas function_formulas[FUNCTION_COUNT] = {
    [FUNCTION_GELU] = {{"gelu", NONE, false}, gelu_value, gelu_derivative, NULL, NULL, NULL},
    [FUNCTION_GELU_TANH] = {{"gelu_tanh", NONE, false}, gelu_tanh_value, gelu_tanh_derivative, NULL, NULL, NULL},
    [FUNCTION_SILU] = {{"silu", NONE, false}, silu_value, silu_derivative, NULL, NULL, NULL},
    [FUNCTION_MISH] = {{"mish", NONE, false}, mish_value, mish_derivative, NULL, NULL, NULL},
    [FUNCTION_SOFTPLUS] = {{"softplus", TWO("beta", 1, "threshold", 20), false},
                           softplus_value,
                           softplus_derivative,
                           softplus_square,
                           softplus_knots,
                           softplus_valid},
    [FUNCTION_ELU] = {{"elu", ONE("alpha", 1), false}, elu_value, elu_derivative, elu_square, elu_knots, NULL},
    [FUNCTION_CELU] = {{"celu", ONE("alpha", 1), false}, celu_value, celu_derivative, celu_square, zero_knot, positive},
    [FUNCTION_SELU] = {{"selu", NONE, false}, selu_value, selu_derivative, selu_square, zero_jump, NULL},
    [FUNCTION_HARDSWISH] =
        {{"hardswish", NONE, false}, hardswish_value, hardswish_derivative, hardswish_square, hardswish_knots, NULL},
    [FUNCTION_LOGSIGMOID] =
        {{"logsigmoid", NONE, false}, logsigmoid_value, logsigmoid_derivative, logsigmoid_square, NULL, NULL},
    [FUNCTION_SIGMOID] = {{"sigmoid", NONE, false}, sigmoid_value, sigmoid_derivative, sigmoid_square, NULL, NULL},
    [FUNCTION_TANH] = {{"tanh", NONE, false}, tanh_value, tanh_derivative, tanh_square, NULL, NULL},
    [FUNCTION_SOFTSIGN] =
        {{"softsign", NONE, false}, softsign_value, softsign_derivative, softsign_square, zero_knot, NULL},
    [FUNCTION_TANHSHRINK] =
        {{"tanhshrink", NONE, false}, tanhshrink_value, tanhshrink_derivative, tanhshrink_square, NULL, NULL},
    [FUNCTION_RELU] = {{"relu", NONE, true}, relu_value, relu_derivative, relu_square, zero_jump, NULL},
    [FUNCTION_RELU6] = {{"relu6", NONE, true}, relu6_value, relu6_derivative, relu6_square, relu6_knots, NULL},
    [FUNCTION_LEAKY_RELU] = {{"leaky_relu", ONE("negative_slope", 0.01), true},
                             leaky_relu_value,
                             leaky_relu_derivative,
                             leaky_relu_square,
                             zero_jump,
                             NULL},
    [FUNCTION_HARDTANH] = {{"hardtanh", TWO("min_val", -1, "max_val", 1), true},
                           hardtanh_value,
                           hardtanh_derivative,
                           hardtanh_square,
                           hardtanh_knots,
                           ordered},
    [FUNCTION_HARDSIGMOID] = {{"hardsigmoid", NONE, true},
                              hardsigmoid_value,
                              hardsigmoid_derivative,
                              hardsigmoid_square,
                              hardsigmoid_knots,
                              NULL},
    [FUNCTION_HARDSHRINK] = {{"hardshrink", ONE("lambd", 0.5), true},
                             hardshrink_value,
                             shrink_derivative,
                             shrink_square,
                             shrink_knots,
                             not_negative},
    [FUNCTION_SOFTSHRINK] = {{"softshrink", ONE("lambd", 0.5), true},
                             softshrink_value,
                             shrink_derivative,
                             shrink_square,
                             shrink_knots,
                             not_negative},
    [FUNCTION_THRESHOLD] = {{"threshold", TWO("threshold", 0, "value", 0), true},
                            threshold_value,
                            threshold_derivative,
                            threshold_square,
                            threshold_knots,
                            NULL},
    [FUNCTION_STEPWISE] = {{"stepwise", NONE, true}, NULL, NULL, NULL, NULL, NULL},
    [FUNCTION_USER] = {{"user", NONE, false}, NULL, NULL, NULL, NULL, NULL},
};
