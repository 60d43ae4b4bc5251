/* patches_to_tokens, prepend, take_row. */
#include "kernels/layers/patches_to_tokens.h"
#include "kernels/layers/prepend.h"
#include "kernels/layers/take_row.h"

#include "tests/layers/gradient_check.h"
#include "tests/layers/tape_fixture.h"

#include <criterion/criterion.h>

static struct value *tokens(struct tape *tape, struct value *const *leaves, const void *context) {
  (void)context;
  return op_patches_to_tokens(tape, leaves[0]);
}

static struct value *with_row(struct tape *tape, struct value *const *leaves, const void *context) {
  (void)context;
  return op_prepend(tape, leaves[0], leaves[1]);
}

static struct value *row_of(struct tape *tape, struct value *const *leaves, const void *context) {
  return op_take_row(tape, leaves[0], *(const size_t *)context);
}

#define TOKENS(BATCH, CHANNELS, HEIGHT, WIDTH)                                                                         \
  &(struct gradient_case) {                                                                                            \
    .name = "tokens of " #BATCH "x" #CHANNELS "x" #HEIGHT "x" #WIDTH,                                                  \
    .leaves = {{.name = "x", .shape = {BATCH, CHANNELS, HEIGHT, WIDTH}, .dims = 4}}, .build = tokens                   \
  }
#define PREPEND(BATCH, ROWS, WIDTH)                                                                                    \
  &(struct gradient_case) {                                                                                            \
    .name = "a row before " #BATCH "x" #ROWS "x" #WIDTH,                                                               \
    .leaves = {{.name = "x", .shape = {BATCH, ROWS, WIDTH}, .dims = 3},                                                \
               {.name = "row", .shape = {WIDTH}, .dims = 1, .parameter = true}},                                       \
    .build = with_row                                                                                                  \
  }
#define TAKE(BATCH, ROWS, WIDTH, ROW)                                                                                  \
  &(struct gradient_case) {                                                                                            \
    .name = "row " #ROW " of " #BATCH "x" #ROWS "x" #WIDTH,                                                            \
    .leaves = {{.name = "x", .shape = {BATCH, ROWS, WIDTH}, .dims = 3}}, .build = row_of, .context = &(size_t) {       \
      ROW                                                                                                              \
    }                                                                                                                  \
  }

Test(patches_to_tokens, gradients) {
  gradient_check(TOKENS(1, 1, 1, 1));
  gradient_check(TOKENS(2, 3, 2, 5));
  gradient_check(TOKENS(2, 17, 3, 7));
}

Test(prepend, gradients) {
  gradient_check(PREPEND(1, 1, 1));
  gradient_check(PREPEND(3, 4, 7));
}

Test(take_row, gradients) {
  gradient_check(TAKE(1, 1, 1, 0));
  gradient_check(TAKE(3, 4, 7, 0));
  gradient_check(TAKE(3, 4, 7, 3));
}

Test(tokens, threads) {
  gradient_check_threads(TOKENS(5, 40, 20, 19));
  gradient_check_threads(PREPEND(5, 100, 130));
  gradient_check_threads(TAKE(50, 10, 130, 4));
}

Test(patches_to_tokens, places_become_rows) {
  enum { CHANNELS = 35, PIXELS = 18, SIZE = CHANNELS * PIXELS };
  float x[2 * SIZE], y[2 * SIZE];
  gradient_check_fill(x, 2 * SIZE, -1, 1, 1);
  patches_to_tokens_forward(x, y, 2, CHANNELS, PIXELS);
  for (size_t i = 0; i < 2 * SIZE; i++) {
    const size_t channel = i / PIXELS % CHANNELS, pixel = i % PIXELS;
    cr_assert_eq(y[i / SIZE * SIZE + pixel * CHANNELS + channel], x[i]);
  }
}

Test(prepend, the_row_comes_first_in_each_sequence) {
  const float x[2 * 2 * 3] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, row[3] = {-1, -2, -3};
  const float expected[2 * 3 * 3] = {-1, -2, -3, 1, 2, 3, 4, 5, 6, -1, -2, -3, 7, 8, 9, 10, 11, 12};
  float y[2 * 3 * 3];
  prepend_forward(x, row, y, 2, 2, 3);
  cr_assert_arr_eq(y, expected, sizeof expected);
}

Test(take_row, takes_that_row) {
  const float x[2 * 2 * 3] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, expected[2 * 3] = {4, 5, 6, 10, 11, 12};
  float y[2 * 3];
  take_row_forward(&(struct take_row){2, 2, 3, 1}, x, y);
  cr_assert_arr_eq(y, expected, sizeof expected);
}

static struct value *open_image(struct tape_fixture *f) {
  tape_fixture_open(f, true);
  return tape_fixture_leaf(f, MEMORY_ACTIVATION, (size_t[]){2, 3, 4, 5}, 4);
}

Test(tokens, keep_nothing) {
  struct tape_fixture f;
  struct value *image = open_image(&f), *row = tape_fixture_leaf(&f, MEMORY_PARAMETER, (size_t[]){3}, 1);
  struct value *longer = op_prepend(&f.tape, op_patches_to_tokens(&f.tape, image), row);
  cr_assert(longer && longer->shape[1] == 21 && op_take_row(&f.tape, longer, 20));
  cr_assert_eq(f.memory.saved, 0);
  cr_assert_null(op_take_row(&f.tape, longer, 21));
  cr_assert_eq(f.tape.status, ERROR_USAGE);
  tape_fixture_close(&f);
}

Test(tokens, refuse_what_does_not_fit) {
  struct tape_fixture f;
  struct value *image = open_image(&f), *row = tape_fixture_leaf(&f, MEMORY_PARAMETER, (size_t[]){5}, 1);
  cr_assert_null(op_prepend(&f.tape, image, row), "no sequence");
  cr_assert_eq(f.tape.status, ERROR_USAGE);
  tape_fixture_close(&f);
  image = open_image(&f);
  row = tape_fixture_leaf(&f, MEMORY_PARAMETER, (size_t[]){5}, 1);
  cr_assert_null(op_prepend(&f.tape, op_patches_to_tokens(&f.tape, image), row), "5 for rows of 3");
  cr_assert_eq(f.tape.status, ERROR_USAGE);
  tape_fixture_close(&f);
}
