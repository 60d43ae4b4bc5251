#include "kernels/layers/dropout.h"

#include "kernels/philox.h"
#include "tests/layers/gradient_check.h"
#include "tests/layers/tape_fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct value *drop(struct tape *tape, struct value *const *leaves, const void *context) {
  return op_dropout(tape, leaves[0], *(const float *)context);
}

#define DROPOUT(N, P)                                                                                                  \
  &(struct gradient_case) {                                                                                            \
    .name = "dropout of " #N " by " #P, .leaves = {{.name = "x", .shape = {N}, .dims = 1}}, .build = drop,             \
    .context = &(float) {                                                                                              \
      P                                                                                                                \
    }                                                                                                                  \
  }

/* The mask is the same at each evaluation, and all is linear. */
Test(dropout, gradients) {
  gradient_check(DROPOUT(7, 0.25f));
  gradient_check(DROPOUT(64, 0.5f));
  gradient_check(DROPOUT(1001, 0.9f));
}

Test(dropout, threads) {
  gradient_check_threads(DROPOUT(100003, 0.1f));
}

static bool bit(const uint8_t *mask, size_t i) {
  return mask[i / 8] >> i % 8 & 1;
}

/* Element i has word i % 4 of the generator's counter i / 4: whatever the length. */
Test(dropout, is_what_it_says) {
  enum { LONGEST = 100 };
  const struct dropout dropout = {0.3f, 0x123456789abcdef0, 0x100000007};
  for (size_t n = 0; n <= LONGEST; n++) {
    float x[LONGEST + 1], y[LONGEST + 1], dx[LONGEST + 1];
    uint8_t mask[LONGEST / 8 + 2];
    gradient_check_fill(x, LONGEST + 1, 1, 2, n);
    memset(mask, 0xee, sizeof mask);
    y[n] = dx[n] = -7;
    dropout_forward(&dropout, x, y, mask, n);
    dropout_backward(&dropout, mask, 0, x, dx, n);
    for (size_t i = 0; i < n; i++) {
      const uint32_t random = philox_at(i / 4, dropout.stream, dropout.seed).word[i % 4];
      const bool kept = (double)random >= (double)0.3f * 0x1p32;
      cr_assert_eq(bit(mask, i), kept, "%zu of %zu", i, n);
      cr_assert_eq(y[i], kept ? x[i] * (1 / (1 - 0.3f)) : 0, "%zu of %zu", i, n);
      cr_assert_eq(dx[i], y[i], "%zu of %zu", i, n);
    }
    cr_assert_eq(mask[dropout_mask_size(n)], 0xee, "wrote past the mask of %zu", n);
    cr_assert(y[n] == -7 && dx[n] == -7, "wrote past the end of %zu", n);
  }
}

/* Of a part of the array: what the whole gives there. */
Test(dropout, backward_of_parts) {
  enum { N = 333 };
  const struct dropout dropout = {0.5f, 1, 2};
  float x[N], y[N], whole[N], part[N];
  uint8_t mask[(N + 7) / 8];
  gradient_check_fill(x, N, 1, 2, 1);
  dropout_forward(&dropout, x, y, mask, N);
  dropout_backward(&dropout, mask, 0, x, whole, N);
  for (size_t first = 0; first < N; first += 7) {
    dropout_backward(&dropout, mask, first, x + first, part + first, N - first < 7 ? N - first : 7);
  }
  cr_assert_arr_eq(whole, part, sizeof whole);
}

/* How many of n are kept is n (1 - p) give or take sqrt(n p (1 - p)); five times that is one time in a million. */
Test(dropout, keeps_as_many_as_it_should) {
  enum { N = 1 << 18 };
  float *x = calloc(N, sizeof *x);
  uint8_t *mask = malloc(dropout_mask_size(N));
  cr_assert(x && mask);
  const float probabilities[] = {0, 0.01f, 0.1f, 0.5f, 0.9f, 1};
  for (size_t j = 0; j < sizeof probabilities / sizeof *probabilities; j++) {
    const struct dropout dropout = {probabilities[j], 11, j};
    const double p = (double)dropout.p;
    dropout_forward(&dropout, x, x, mask, N);
    size_t kept = 0;
    for (size_t i = 0; i < N; i++) {
      kept += bit(mask, i);
    }
    cr_assert_float_eq((double)kept, N * (1 - p), 5 * sqrt(N * p * (1 - p)) + 0.5, "p %g: %zu kept", p, kept);
  }
  free(x);
  free(mask);
}

Test(dropout, of_everything) {
  float x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  uint8_t mask[2];
  dropout_forward(&(struct dropout){1, 1, 1}, x, x, mask, 9);
  for (int i = 0; i < 9; i++) {
    cr_assert_eq(x[i], 0, "and not NaN");
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

static struct value *open_x(struct tape_fixture *f, uint64_t seed) {
  tape_fixture_open(f, false);
  f->tape.seed = seed;
  return tape_fixture_leaf(f, MEMORY_ACTIVATION, (size_t[]){1000}, 1);
}

/* The result's numbers, as a copy for free(). */
static void *copy_of(const struct value *y) {
  void *copy = y ? malloc(y->tensor->bytes) : NULL;
  cr_assert(copy);
  return memcpy(copy, y->tensor->data, y->tensor->bytes);
}

Test(dropout, keeps_one_bit_an_element) {
  struct tape_fixture f;
  cr_assert(op_dropout(&f.tape, open_x(&f, 1), 0.1f));
  cr_assert_eq(f.memory.saved, 125);
  tape_fixture_close(&f);
}

Test(dropout, is_not_there_where_it_does_nothing) {
  struct tape_fixture f;
  struct value *x = open_x(&f, 1);
  cr_assert_eq(op_dropout(&f.tape, x, 0), x);
  f.tape.training = false;
  cr_assert_eq(op_dropout(&f.tape, x, 0.5f), x);
  cr_assert_eq(f.tape.nodes_count, 0);
  tape_fixture_close(&f);
}

/* Each op of a step has its own numbers, each seed too, and the same seed the same. */
Test(dropout, masks_differ_by_op_and_seed) {
  enum { BYTES = 1000 * sizeof(float) };
  const uint64_t seeds[] = {1, 1, 2};
  void *first[3], *second[3];
  for (int i = 0; i < 3; i++) {
    struct tape_fixture f;
    struct value *x = open_x(&f, seeds[i]);
    first[i] = copy_of(op_dropout(&f.tape, x, 0.5f));
    second[i] = copy_of(op_dropout(&f.tape, x, 0.5f));
    tape_fixture_close(&f);
  }
  cr_assert_eq(memcmp(first[0], first[1], BYTES), 0);
  cr_assert_eq(memcmp(second[0], second[1], BYTES), 0);
  cr_assert_neq(memcmp(first[0], second[0], BYTES), 0);
  cr_assert_neq(memcmp(first[0], first[2], BYTES), 0);
  for (int i = 0; i < 3; i++) {
    free(first[i]);
    free(second[i]);
  }
}

Test(dropout, refuses_what_is_no_probability) {
  const float bad[] = {-0.1f, 1.1f, NAN};
  for (size_t i = 0; i < 3; i++) {
    struct tape_fixture f;
    struct value *x = open_x(&f, 1);
    cr_assert_null(op_dropout(&f.tape, x, bad[i]));
    cr_assert_eq(f.tape.status, ERROR_USAGE);
    tape_fixture_close(&f);
  }
}
