#include "tests/layers/gradient_check.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

enum { SAMPLES = 40 };

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

void gradient_check_fill(float *x, size_t n, float low, float high, uint64_t seed) {
  for (size_t i = 0; i < n; i++) {
    x[i] = low + (high - low) * (float)(next_random(&seed) >> 40) * 0x1p-24f;
  }
}

struct tensor *gradient_check_numbers(struct memory *memory, size_t n, int32_t limit, size_t negative, uint64_t seed) {
  struct tensor *tensor = tensor_new(memory, MEMORY_INPUT, n * sizeof(int32_t));
  cr_assert(tensor, "out of memory");
  int32_t *numbers = tensor->data;
  for (size_t i = 0; numbers && i < n; i++) {
    numbers[i] = (int32_t)(next_random(&seed) % (uint64_t)limit);
    if (negative > 0 && i % negative == negative - 1) {
      numbers[i] = -1;
    }
  }
  return tensor;
}

/* ---- the loss ---------------------------------------------------------------------------------------------------- */

void gradient_check_weights(float *weights, size_t n) {
  gradient_check_fill(weights, n, -1, 1, 99);
}

static void sum_release(void *saved) {
  (void)saved;
}

static void sum_backward(struct tape *tape, struct node *node) {
  float *dy = tape_gradient(tape, node->inputs[0]);
  const size_t n = value_count(node->inputs[0]);
  if (dy) {
    gradient_check_weights(dy, n);
  }
}

static const struct node_ops sum_ops = {"weighted_sum", sum_backward, sum_release};

struct value *gradient_check_loss(struct tape *tape, struct value *y) {
  struct value *loss = y ? tape_value(tape, NULL, NULL, 0) : NULL;
  return tape_node(tape, &sum_ops, loss, &y, 1, "", 0);
}

static double loss_of(const struct value *y) {
  const size_t n = value_count(y);
  float *weights = malloc((n ? n : 1) * sizeof *weights);
  cr_assert(weights, "out of memory");
  gradient_check_weights(weights, n);
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    sum += (double)weights[i] * (double)tensor_floats(y->tensor)[i];
  }
  free(weights);
  return sum;
}

/* ---- one case with its leaves ------------------------------------------------------------------------------------ */

struct bench {
  const struct gradient_case *check;
  struct memory memory;
  struct value leaves[GRADIENT_LEAVES];
  struct value *pointers[GRADIENT_LEAVES];
  unsigned count;
};

static void leaf_init(struct bench *bench, const struct gradient_leaf *leaf, unsigned at) {
  struct value *value = &bench->leaves[at];
  *value = (struct value){.dims = leaf->dims, .needs_gradient = !leaf->constant, .parameter = leaf->parameter};
  memcpy(value->shape, leaf->shape, sizeof value->shape);
  const enum memory_kind kind = leaf->parameter ? MEMORY_PARAMETER : MEMORY_INPUT;
  const size_t n = value_count(value);
  value->tensor = tensor_new(&bench->memory, kind, n * sizeof(float));
  cr_assert(value->tensor, "out of memory");
  bench->pointers[at] = value;
  float *x = tensor_floats(value->tensor);
  if (!x) {
    return;
  }
  const bool standard = leaf->low == 0 && leaf->high == 0;
  gradient_check_fill(x, n, standard ? -1 : leaf->low, standard ? 1 : leaf->high, 7 + at);
  for (size_t i = 0; i < n; i++) {
    x[i] = fabsf(x[i]) < leaf->gap ? copysignf(leaf->gap, x[i]) : x[i];
  }
}

static void bench_init(struct bench *bench, const struct gradient_case *check, bool dry) {
  memset(bench, 0, sizeof *bench);
  bench->check = check;
  memory_init(&bench->memory, dry);
  for (; check->leaves[bench->count].name; bench->count++) {
    leaf_init(bench, &check->leaves[bench->count], bench->count);
  }
}

static void drop_gradients(struct bench *bench) {
  for (unsigned i = 0; i < bench->count; i++) {
    tensor_drop(bench->leaves[i].gradient);
    bench->leaves[i].gradient = NULL;
  }
}

static void bench_fini(struct bench *bench) {
  drop_gradients(bench);
  for (unsigned i = 0; i < bench->count; i++) {
    tensor_drop(bench->leaves[i].tensor);
  }
  cr_assert_eq(bench->memory.live, 0, "%s: %zu bytes are left", bench->check->name, bench->memory.live);
  cr_assert_eq(bench->memory.saved, 0, "%s: %zu saved bytes are left", bench->check->name, bench->memory.saved);
}

static struct value *forward(struct bench *bench, struct tape *tape) {
  tape_init(tape, &bench->memory);
  tape->training = !bench->check->evaluation;
  tape->seed = 5;
  struct value *y = bench->check->build(tape, bench->pointers, bench->check->context);
  cr_assert(y && tape->status == 0, "%s: %s", bench->check->name, tape->error.message);
  return y;
}

/* Gradients into the leaves, added to what they have. y, if not NULL, gets a copy of the result, for free(). */
static void run(struct bench *bench, float **result) {
  struct tape tape;
  struct value *y = forward(bench, &tape);
  if (result) {
    const size_t bytes = value_count(y) * sizeof(float);
    *result = malloc(bytes + 1);
    cr_assert(*result, "out of memory");
    memcpy(*result, y->tensor->data, bytes);
  }
  cr_assert_eq(tape_backward(&tape, gradient_check_loss(&tape, y)), 0, "%s: %s", bench->check->name,
               tape.error.message);
  tape_fini(&tape);
}

static double loss_at(struct bench *bench) {
  struct tape tape;
  const double loss = loss_of(forward(bench, &tape));
  tape_fini(&tape);
  return loss;
}

/* ---- finite differences ------------------------------------------------------------------------------------------ */

/* (L(x + h) - L(x - h)) over what x really moved by. */
static double central(struct bench *bench, float *x, double h) {
  const float at = *x, above = (float)((double)at + h), below = (float)((double)at - h);
  *x = above;
  const double up = loss_at(bench);
  *x = below;
  const double down = loss_at(bench);
  *x = at;
  return (up - down) / ((double)above - (double)below);
}

static double numerical(struct bench *bench, float *x) {
  const double h = bench->check->step > 0 ? bench->check->step : 0.02;
  return (4 * central(bench, x, h) - central(bench, x, 2 * h)) / 3;
}

static double largest(const float *x, size_t n) {
  double most = 0;
  for (size_t i = 0; i < n; i++) {
    most = fmax(most, fabs((double)x[i]));
    cr_assert(isfinite(x[i]), "element %zu of a gradient is %g", i, (double)x[i]);
  }
  return most;
}

static void check_leaf(struct bench *bench, unsigned at) {
  const struct value *leaf = &bench->leaves[at];
  const char *test = bench->check->name, *name = bench->check->leaves[at].name;
  const size_t n = value_count(leaf), stride = n > SAMPLES ? n / SAMPLES | 1 : 1;
  cr_assert(leaf->gradient, "%s: %s got no gradient", test, name);
  const float *gradient = tensor_floats(leaf->gradient);
  const double scale = largest(gradient, n);
  const double tolerance = bench->check->tolerance > 0 ? bench->check->tolerance : 1e-3;
  cr_assert_gt(scale, 0, "%s: the gradient of %s is all zero", test, name);
  for (size_t i = 0; i < n; i += stride) {
    const double expected = numerical(bench, &tensor_floats(leaf->tensor)[i]), got = (double)gradient[i];
    cr_assert(fabs(got - expected) <= tolerance * scale, "%s: d %s[%zu] is %.7g, not %.7g: off by %.2g of the largest",
              test, name, i, got, expected, fabs(got - expected) / scale);
  }
}

/* A second backward adds as much again; rounding of the sum is all that may differ. */
static void check_accumulation(struct bench *bench, unsigned at, const float *once) {
  const struct value *leaf = &bench->leaves[at];
  const size_t n = value_count(leaf);
  const double scale = largest(once, n);
  for (size_t i = 0; i < n; i++) {
    const double twice = (double)tensor_floats(leaf->gradient)[i];
    cr_assert(fabs(twice - 2 * (double)once[i]) <= 1e-5 * scale,
              "%s: d %s[%zu] is %g after one backward and %g after two", bench->check->name,
              bench->check->leaves[at].name, i, (double)once[i], twice);
  }
}

static float *copy_gradient(const struct value *leaf) {
  float *copy = leaf->gradient ? malloc(leaf->gradient->bytes + 1) : NULL;
  if (copy) {
    memcpy(copy, leaf->gradient->data, leaf->gradient->bytes);
  }
  return copy;
}

static void check_against_dry(const struct bench *real) {
  struct bench dry;
  bench_init(&dry, real->check, true);
  run(&dry, NULL);
  const struct memory *a = &real->memory, *b = &dry.memory;
  cr_assert_eq(a->peak, b->peak, "%s: peak %zu, dry %zu", real->check->name, a->peak, b->peak);
  cr_assert_eq(a->saved_peak, b->saved_peak, "%s: saved %zu, dry %zu", real->check->name, a->saved_peak, b->saved_peak);
  for (int kind = 0; kind < MEMORY_KINDS; kind++) {
    cr_assert_eq(a->at_peak[kind], b->at_peak[kind], "%s: %s at the peak %zu, dry %zu", real->check->name,
                 memory_kind_name(kind), a->at_peak[kind], b->at_peak[kind]);
    cr_assert_eq(a->live_of[kind], b->live_of[kind], "%s: %s %zu, dry %zu", real->check->name, memory_kind_name(kind),
                 a->live_of[kind], b->live_of[kind]);
  }
  bench_fini(&dry);
}

void gradient_check(const struct gradient_case *check) {
  struct bench bench;
  float *once[GRADIENT_LEAVES] = {NULL};
  bench_init(&bench, check, false);
  run(&bench, NULL);
  check_against_dry(&bench);
  for (unsigned i = 0; i < bench.count; i++) {
    if (bench.leaves[i].needs_gradient) {
      check_leaf(&bench, i);
      once[i] = copy_gradient(&bench.leaves[i]);
    } else {
      cr_assert_null(bench.leaves[i].gradient, "%s: a constant got a gradient", check->name);
    }
  }
  run(&bench, NULL);
  for (unsigned i = 0; i < bench.count; i++) {
    if (once[i]) {
      check_accumulation(&bench, i, once[i]);
    }
    free(once[i]);
  }
  bench_fini(&bench);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static void set_threads(int threads) {
#ifdef _OPENMP
  omp_set_num_threads(threads);
#else
  (void)threads;
#endif
}

struct outcome {
  float *result, *gradients[GRADIENT_LEAVES];
  size_t bytes;
};

static struct outcome run_with(const struct gradient_case *check, int threads) {
  struct bench bench;
  struct outcome outcome = {.result = NULL};
  struct tape tape;
  set_threads(threads);
  bench_init(&bench, check, false);
  outcome.bytes = value_count(forward(&bench, &tape)) * sizeof(float);
  tape_fini(&tape);
  run(&bench, &outcome.result);
  for (unsigned i = 0; i < bench.count; i++) {
    outcome.gradients[i] = copy_gradient(&bench.leaves[i]);
  }
  bench_fini(&bench);
  return outcome;
}

void gradient_check_threads(const struct gradient_case *check) {
  struct outcome one = run_with(check, 1), three = run_with(check, 3);
  cr_assert_eq(memcmp(one.result, three.result, one.bytes), 0, "%s: results differ with threads", check->name);
  for (unsigned i = 0; check->leaves[i].name; i++) {
    struct value leaf = {.dims = check->leaves[i].dims};
    memcpy(leaf.shape, check->leaves[i].shape, sizeof leaf.shape);
    const size_t bytes = value_count(&leaf) * sizeof(float);
    cr_assert(!one.gradients[i] || memcmp(one.gradients[i], three.gradients[i], bytes) == 0,
              "%s: the gradient of %s differs with threads", check->name, check->leaves[i].name);
    free(one.gradients[i]);
    free(three.gradients[i]);
  }
  free(one.result);
  free(three.result);
}
