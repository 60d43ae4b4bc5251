/* add, mul and reshape: gradients that are passed on, shared and added up. */
#include "tests/layers/gradient_check.h"

#include <criterion/criterion.h>

static struct value *add(struct tape *tape, struct value *const *leaves, const void *context) {
  (void)context;
  return op_add(tape, leaves[0], leaves[1]);
}

static struct value *mul(struct tape *tape, struct value *const *leaves, const void *context) {
  (void)context;
  return op_mul(tape, leaves[0], leaves[1]);
}

#define TWO(BUILD, NAME, ...)                                                                                          \
  &(struct gradient_case) {                                                                                            \
    .name = NAME, .leaves = {__VA_ARGS__}, .build = BUILD                                                              \
  }

Test(add, gradients) {
  gradient_check(TWO(add, "add", {.name = "x", .shape = {3, 7}, .dims = 2}, {.name = "y", .shape = {3, 7}, .dims = 2}));
  gradient_check(TWO(add, "add of positions", {.name = "x", .shape = {3, 2, 5}, .dims = 3},
                     {.name = "y", .shape = {2, 5}, .dims = 2, .parameter = true}));
  gradient_check(TWO(add, "add of a parameter", {.name = "x", .shape = {9}, .dims = 1},
                     {.name = "y", .shape = {9}, .dims = 1, .parameter = true}));
}

Test(add, threads) {
  gradient_check_threads(TWO(add, "add of positions", {.name = "x", .shape = {7, 99, 53}, .dims = 3},
                             {.name = "y", .shape = {99, 53}, .dims = 2, .parameter = true}));
}

Test(mul, gradients) {
  gradient_check(TWO(mul, "mul", {.name = "x", .shape = {3, 7}, .dims = 2}, {.name = "y", .shape = {3, 7}, .dims = 2}));
  gradient_check(TWO(mul, "mul by a constant", {.name = "x", .shape = {5}, .dims = 1},
                     {.name = "y", .shape = {5}, .dims = 1, .constant = true}));
}

Test(mul, threads) {
  gradient_check_threads(
      TWO(mul, "mul", {.name = "x", .shape = {211, 311}, .dims = 2}, {.name = "y", .shape = {211, 311}, .dims = 2}));
}

/* The same value twice: d(x x) = 2 x dy, d(x + x) = 2 dy, though one gradient is passed on and shared. */
static struct value *square_and_double(struct tape *tape, struct value *const *leaves, const void *context) {
  (void)context;
  return op_add(tape, op_mul(tape, leaves[0], leaves[0]), op_add(tape, leaves[0], leaves[0]));
}

Test(add, of_one_value_with_itself) {
  gradient_check(TWO(square_and_double, "x x + (x + x)", {.name = "x", .shape = {4, 3}, .dims = 2}));
}

/* A residual: the gradient that add passes to both sides must not be written through one of them. */
static struct value *residual(struct tape *tape, struct value *const *leaves, const void *context) {
  (void)context;
  struct value *h = op_add(tape, leaves[0], op_mul(tape, leaves[0], leaves[1]));
  return op_add(tape, h, op_mul(tape, h, op_reshape(tape, h, (size_t[]){4, 3}, 2)));
}

Test(add, residual) {
  gradient_check(
      TWO(residual, "residual", {.name = "x", .shape = {4, 3}, .dims = 2}, {.name = "y", .shape = {4, 3}, .dims = 2}));
}

Test(add, shapes_that_do_not_fit) {
  struct memory memory;
  struct tape tape;
  memory_init(&memory, true);
  tape_init(&tape, &memory);
  struct value *x = tape_value(&tape, NULL, (size_t[]){2, 3}, 2), *y = tape_value(&tape, NULL, (size_t[]){2}, 1);
  cr_assert_null(op_add(&tape, x, y));
  cr_assert_eq(tape.status, ERROR_USAGE);
  tape_fini(&tape);
}

/* ---- reshape ----------------------------------------------------------------------------------------------------- */

static struct value *reshape(struct tape *tape, struct value *const *leaves, const void *context) {
  (void)context;
  return op_reshape(tape, op_reshape(tape, leaves[0], (size_t[]){2, 6}, 2), (size_t[]){12}, 1);
}

Test(reshape, gradients) {
  gradient_check(TWO(reshape, "reshape", {.name = "x", .shape = {4, 3}, .dims = 2}));
}

Test(reshape, shares_its_memory_and_keeps_the_number_of_elements) {
  struct memory memory;
  struct tape tape;
  memory_init(&memory, false);
  tape_init(&tape, &memory);
  struct value *x = tape_value(&tape, NULL, (size_t[]){4, 3}, 2);
  struct value *y = op_reshape(&tape, x, (size_t[]){2, 2, 3}, 3);
  cr_assert_eq(y->tensor, x->tensor);
  cr_assert_eq(memory.live, 12 * sizeof(float));
  tape_forget(&tape, x);
  cr_assert_eq(memory.live, 12 * sizeof(float));
  cr_assert_null(op_reshape(&tape, y, (size_t[]){5}, 1));
  cr_assert_eq(tape.status, ERROR_USAGE);
  tape_fini(&tape);
  cr_assert_eq(memory.live, 0);
}
