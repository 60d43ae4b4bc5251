#include "kernels/layers/attention.h"

#include "tests/layers/gradient_check.h"
#include "tests/layers/tape_fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static struct value *attend(struct tape *tape, struct value *const *leaves, const void *context) {
  return op_attention(tape, leaves[0], context);
}

/* Scores of a few units, so that probabilities are far from equal. */
#define ATTENTION(BATCH, ROWS, WIDTH, ...)                                                                             \
  &(struct gradient_case) {                                                                                            \
    .name = "attention of " #BATCH "x" #ROWS "x" #WIDTH ", " #__VA_ARGS__,                                             \
    .leaves = {{.name = "qkv", .shape = {BATCH, ROWS, WIDTH}, .dims = 3, .low = -2, .high = 2}}, .build = attend,      \
    .context = &(struct attention_options) {                                                                           \
      __VA_ARGS__                                                                                                      \
    }                                                                                                                  \
  }

Test(attention, gradients) {
  gradient_check(ATTENTION(2, 5, 3 * 4, .heads = 1));
  gradient_check(ATTENTION(2, 7, 3 * 6, .heads = 2));
  gradient_check(ATTENTION(1, 9, 3 * 3, .heads = 3)); /* of width 1 */
  gradient_check(ATTENTION(2, 67, 3 * 10, .heads = 2));
}

Test(attention, gradients_causal) {
  gradient_check(ATTENTION(2, 6, 3 * 4, .heads = 2, .causal = true));
  gradient_check(ATTENTION(1, 65, 3 * 8, .heads = 2, .causal = true)); /* a block and a row */
  gradient_check(ATTENTION(1, 130, 3 * 5, .heads = 1, .causal = true));
}

Test(attention, gradients_of_grouped_heads) {
  gradient_check(ATTENTION(2, 5, (4 + 2 * 2) * 3, .heads = 4, .key_heads = 2));
  gradient_check(ATTENTION(1, 70, (6 + 2) * 2, .heads = 6, .key_heads = 1, .causal = true));
}

Test(attention, gradients_of_turned_heads) {
  gradient_check(ATTENTION(2, 7, 3 * 8, .heads = 2, .rope = true));
  gradient_check(ATTENTION(1, 66, (4 + 2 * 2) * 6, .heads = 4, .key_heads = 2, .causal = true, .rope = true));
}

/* The masks are the same at each evaluation: seed and stream are. */
Test(attention, gradients_with_dropout) {
  gradient_check(ATTENTION(2, 7, 3 * 6, .heads = 2, .dropout = 0.25f));
  gradient_check(ATTENTION(1, 67, 3 * 6, .heads = 3, .causal = true, .rope = true, .dropout = 0.5f));
}

Test(attention, threads) {
  gradient_check_threads(ATTENTION(3, 150, (4 + 2 * 2) * 8, .heads = 4, .key_heads = 2, .causal = true, .rope = true));
  gradient_check_threads(ATTENTION(3, 150, 3 * 32, .heads = 4, .dropout = 0.1f));
}

/* ---- against the definition -------------------------------------------------------------------------------------- */

static double score(const struct attention *a, const float *qkv, size_t batch, size_t head, size_t row, size_t column) {
  const size_t stride = attention_stride(a), key_head = head / (a->heads / a->key_heads);
  const float *q = qkv + (batch * a->rows + row) * stride + head * a->width;
  const float *k = qkv + (batch * a->rows + column) * stride + (a->heads + key_head) * a->width;
  double sum = 0;
  for (size_t i = 0; i < a->width; i++) {
    sum += (double)q[i] * (double)k[i];
  }
  return sum / sqrt((double)a->width);
}

/* A row of probabilities, in double. */
static void definition_row(const struct attention *a, const float *qkv, size_t batch, size_t head, size_t row,
                           double *probabilities) {
  double sum = 0;
  for (size_t column = 0; column < a->rows; column++) {
    const bool seen = !a->causal || column <= row;
    probabilities[column] = seen ? exp(score(a, qkv, batch, head, row, column)) : 0;
    sum += probabilities[column];
  }
  for (size_t column = 0; column < a->rows; column++) {
    probabilities[column] /= sum;
  }
}

static void check_row(const struct attention *a, const float *qkv, const float *p, const float *y, size_t batch,
                      size_t head, size_t row) {
  enum { ROWS = 200 };
  double expected[ROWS];
  const size_t stride = attention_stride(a), key_head = head / (a->heads / a->key_heads);
  definition_row(a, qkv, batch, head, row, expected);
  for (size_t column = 0; column < a->rows; column++) {
    const double got = (double)p[((batch * a->heads + head) * a->rows + row) * a->rows + column];
    cr_assert_float_eq(got, expected[column], 1e-5 * expected[column], "row %zu, column %zu: %g, not %g", row, column,
                       got, expected[column]);
  }
  for (size_t i = 0; i < a->width; i++) {
    double sum = 0;
    for (size_t column = 0; column < a->rows; column++) {
      const size_t v = (batch * a->rows + column) * stride + (a->heads + a->key_heads + key_head) * a->width + i;
      sum += expected[column] * (double)qkv[v];
    }
    const double got = (double)y[((batch * a->rows + row) * a->heads + head) * a->width + i];
    cr_assert_float_eq(got, sum, 1e-5, "row %zu, %zu: %g, not %g", row, i, got, sum);
  }
}

static float *filled(size_t n) {
  float *x = malloc(n * sizeof *x);
  cr_assert(x, "out of memory");
  gradient_check_fill(x, n, -1, 1, 3);
  return x;
}

/* Float32 scores of size `width` at most err by some 2^-24 width, and their exponentials by as much of themselves. */
static void check_forward(struct attention a, bool mixed) {
  const size_t rows = a.batch * a.rows;
  float *qkv = filled(rows * attention_stride(&a)), *p = filled(attention_probabilities(&a));
  float *y = filled(rows * a.heads * a.width);
  attention_look(&a, qkv, p, mixed ? y : NULL);
  if (!mixed) {
    attention_mix(&a, p, qkv, y);
  }
  for (size_t i = 0; i < a.batch * a.heads * a.rows; i++) {
    check_row(&a, qkv, p, y, i / a.rows / a.heads, i / a.rows % a.heads, i % a.rows);
  }
  free(qkv);
  free(p);
  free(y);
}

Test(attention, is_what_it_says) {
  check_forward((struct attention){2, 1, 2, 2, 3, true}, true);
  check_forward((struct attention){2, 64, 2, 2, 8, true}, true);
  check_forward((struct attention){2, 65, 4, 2, 5, false}, false);
  check_forward((struct attention){1, 129, 3, 1, 16, true}, true);
}

/* ---- what is kept and what is refused ---------------------------------------------------------------------------- */

static struct value *open_qkv(struct tape_fixture *f) {
  tape_fixture_open(f, true);
  return tape_fixture_leaf(f, MEMORY_ACTIVATION, (size_t[]){2, 10, 3 * 16}, 3);
}

static size_t saved(const struct attention_options *options, bool training) {
  struct tape_fixture f;
  struct value *qkv = open_qkv(&f);
  f.tape.training = training;
  cr_assert(op_attention(&f.tape, qkv, options));
  const size_t bytes = f.memory.saved;
  tape_fixture_close(&f);
  return bytes;
}

Test(attention, keeps_what_autograd_keeps) {
  const size_t qkv = 2 * 10 * 48 * sizeof(float), square = 2 * 4 * 10 * 10;
  cr_assert_eq(saved(&(struct attention_options){.heads = 4}, true), qkv + square * sizeof(float));
  cr_assert_eq(saved(&(struct attention_options){.heads = 4, .causal = true, .rope = true}, true),
               qkv + square * sizeof(float));
  const struct attention_options dropping = {.heads = 4, .dropout = 0.1f};
  cr_assert_eq(saved(&dropping, true), qkv + 2 * square * sizeof(float) + square / 8);
  cr_assert_eq(saved(&dropping, false), qkv + square * sizeof(float));
}

/* With rope it is the turned queries that stay: those that came may go. */
Test(attention, turned_heads_take_the_place_of_the_others) {
  struct tape_fixture f;
  struct value *qkv = open_qkv(&f);
  cr_assert(op_attention(&f.tape, qkv, &(struct attention_options){.heads = 4, .rope = true}));
  cr_assert_eq(qkv->tensor->references, 1);
  cr_assert_eq(qkv->tensor->holders, 0);
  tape_fixture_close(&f);
}

Test(attention, refuses_what_does_not_fit) {
  const struct attention_options bad[] = {{.heads = 5},
                                          {.heads = 0},
                                          {.heads = 4, .key_heads = 3},
                                          {.heads = 16, .rope = true}, /* of width 1 */
                                          {.heads = 4, .dropout = 1.5f},
                                          {.heads = 4, .dropout = NAN}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct tape_fixture f;
    struct value *qkv = open_qkv(&f);
    cr_assert_null(op_attention(&f.tape, qkv, &bad[i]), "case %zu", i);
    cr_assert_eq(f.tape.status, ERROR_USAGE);
    tape_fixture_close(&f);
  }
}
