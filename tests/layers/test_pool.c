/* maxpool2d, avgpool2d, global_avgpool. */
#include "kernels/layers/avgpool2d.h"
#include "kernels/layers/global_avgpool.h"
#include "kernels/layers/maxpool2d.h"

#include "tests/layers/gradient_check.h"
#include "tests/layers/tape_fixture.h"

#include <criterion/criterion.h>
#include <math.h>

struct geometry {
  size_t kernel, stride, padding;
};

static struct value *largest(struct tape *tape, struct value *const *leaves, const void *context) {
  const struct geometry *g = context;
  return op_maxpool2d(tape, leaves[0], g->kernel, g->stride, g->padding);
}

static struct value *average(struct tape *tape, struct value *const *leaves, const void *context) {
  const struct geometry *g = context;
  return op_avgpool2d(tape, leaves[0], g->kernel, g->stride);
}

static struct value *average_all(struct tape *tape, struct value *const *leaves, const void *context) {
  (void)context;
  return op_global_avgpool(tape, leaves[0]);
}

/* Where two numbers of a window are nearer than 2 h, the largest has a kink. Numbers as far apart as these and an h as
 * small leave none of the elements that are looked at; all is linear then, and so small an h loses nothing but
 * 2^-24 10 / h = 2e-4. */
#define POOL(BUILD, BATCH, CHANNELS, HEIGHT, WIDTH, KERNEL, STRIDE, PADDING)                                           \
  &(struct gradient_case) {                                                                                            \
    .name = #BUILD " " #BATCH "x" #CHANNELS "x" #HEIGHT "x" #WIDTH ", " #KERNEL "/" #STRIDE "/" #PADDING,              \
    .leaves = {{.name = "x", .shape = {BATCH, CHANNELS, HEIGHT, WIDTH}, .dims = 4, .low = -10, .high = 10}},           \
    .build = BUILD, .step = 0x1p-8, .context = &(struct geometry) {                                                    \
      KERNEL, STRIDE, PADDING                                                                                          \
    }                                                                                                                  \
  }

Test(maxpool2d, gradients) {
  gradient_check(POOL(largest, 2, 3, 8, 8, 2, 2, 0));
  gradient_check(POOL(largest, 2, 3, 9, 7, 3, 2, 1)); /* windows overlap */
  gradient_check(POOL(largest, 1, 2, 5, 5, 5, 1, 2));
  gradient_check(POOL(largest, 1, 1, 7, 3, 2, 3, 1)); /* and leave gaps */
}

Test(avgpool2d, gradients) {
  gradient_check(POOL(average, 2, 3, 8, 8, 2, 2, 0));
  gradient_check(POOL(average, 2, 1, 7, 9, 3, 2, 0));
  gradient_check(POOL(average, 1, 2, 5, 6, 2, 3, 0));
  gradient_check(POOL(average_all, 3, 5, 4, 7, 0, 0, 0));
  gradient_check(POOL(average_all, 1, 1, 1, 1, 0, 0, 0));
}

Test(pool, threads) {
  gradient_check_threads(POOL(largest, 3, 21, 30, 31, 3, 2, 1));
  gradient_check_threads(POOL(average, 3, 21, 30, 31, 3, 2, 0));
  gradient_check_threads(POOL(average_all, 3, 21, 30, 31, 0, 0, 0));
}

/* ---- max: ties, NaN, indices ------------------------------------------------------------------------------------- */

static const struct window three_by_three = {
    .planes = 2, .height = 3, .width = 3, .kernel = 2, .stride = 1, .padding = 1, .out_height = 4, .out_width = 4};

Test(maxpool2d, the_first_of_equals_wins_and_padding_never) {
  const float x[2 * 9] = {-5, -5, -5, -5, -5, -5, -5, -5, -5, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const int64_t winners[2 * 16] = {0, 0, 1, 2, 0, 0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8,
                                   0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 6, 7, 8, 8};
  float y[2 * 16];
  int64_t index[2 * 16];
  maxpool2d_forward(&three_by_three, x, y, index);
  for (size_t i = 0; i < 2 * 16; i++) {
    cr_assert_eq(index[i], winners[i], "%zu: %lld", i, (long long)index[i]);
    cr_assert_eq(y[i], x[i / 16 * 9 + (size_t)winners[i]]);
  }
}

Test(maxpool2d, nan_wins) {
  const float x[2 * 9] = {1, 2, 3, 4, NAN, 6, 7, 8, -INFINITY};
  float y[2 * 16];
  int64_t index[2 * 16];
  maxpool2d_forward(&three_by_three, x, y, index);
  for (size_t i = 0; i < 16; i++) {
    const bool sees = i / 4 % 3 != 0 && i % 4 % 3 != 0; /* the four places in the middle see the middle */
    cr_assert_eq(isnan(y[i]) != 0, sees, "%zu: %g", i, (double)y[i]);
  }
  cr_assert_eq(y[15], -INFINITY);
}

/* Every gradient goes to one element, once. */
Test(maxpool2d, backward_loses_nothing) {
  float x[2 * 9], y[2 * 16], dy[2 * 16], dx[2 * 9] = {0};
  int64_t index[2 * 16];
  gradient_check_fill(x, 2 * 9, -1, 1, 1);
  maxpool2d_forward(&three_by_three, x, y, index);
  for (size_t i = 0; i < 2 * 16; i++) {
    dy[i] = (float)(i + 1);
  }
  maxpool2d_backward(&three_by_three, index, dy, dx);
  float sum = 0;
  for (size_t i = 0; i < 2 * 9; i++) {
    sum += dx[i];
  }
  cr_assert_eq(sum, 528); /* 1 + 2 + ... + 32 */
}

/* ---- what is kept and what is refused ---------------------------------------------------------------------------- */

static struct value *open_image(struct tape_fixture *f) {
  tape_fixture_open(f, true);
  return tape_fixture_leaf(f, MEMORY_ACTIVATION, (size_t[]){2, 3, 8, 8}, 4);
}

/* As PyTorch does: x for all three, and int64 indices beside the largest. */
Test(pool, keeps_what_autograd_keeps) {
  const size_t image = 2 * 3 * 8 * 8 * sizeof(float);
  struct tape_fixture f;
  cr_assert(op_maxpool2d(&f.tape, open_image(&f), 3, 2, 1));
  cr_assert_eq(f.memory.saved, image + 2 * 3 * 4 * 4 * sizeof(int64_t));
  tape_fixture_close(&f);
  cr_assert(op_avgpool2d(&f.tape, open_image(&f), 2, 2));
  cr_assert_eq(f.memory.saved, image);
  tape_fixture_close(&f);
  const struct value *y = op_global_avgpool(&f.tape, open_image(&f));
  cr_assert(y && y->dims == 2 && y->shape[0] == 2 && y->shape[1] == 3);
  cr_assert_eq(f.memory.saved, image);
  tape_fixture_close(&f);
}

Test(pool, refuses_what_does_not_fit) {
  const struct geometry bad[] = {{9, 1, 0}, {2, 0, 0}, {0, 1, 0}, {3, 1, 2}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct tape_fixture f;
    struct value *x = open_image(&f);
    cr_assert_null(op_maxpool2d(&f.tape, x, bad[i].kernel, bad[i].stride, bad[i].padding), "case %zu", i);
    cr_assert_eq(f.tape.status, ERROR_USAGE);
    tape_fixture_close(&f);
  }
}
