/* linear and the product beneath it: gradients, and results against sums in double. */
#include "kernels/layers/linear.h"

#include "tests/layers/gradient_check.h"

#include <criterion/criterion.h>
#include <math.h>

static struct value *linear(struct tape *tape, struct value *const *leaves, const void *context) {
  const bool bias = context != NULL;
  return op_linear(tape, leaves[0], leaves[1], bias ? leaves[2] : NULL);
}

#define LINEAR(ROWS, IN, OUT)                                                                                          \
  {                                                                                                                    \
    .name = "linear " #ROWS " x " #IN " x " #OUT,                                                                      \
    .leaves = {{.name = "x", .shape = {ROWS, IN}, .dims = 2},                                                          \
               {.name = "w", .shape = {OUT, IN}, .dims = 2, .parameter = true},                                        \
               {.name = "b", .shape = {OUT}, .dims = 1, .parameter = true}},                                           \
    .build = linear, .context = ""                                                                                     \
  }

static const struct gradient_case cases[] = {LINEAR(1, 1, 1), LINEAR(3, 5, 7), LINEAR(17, 1, 9), LINEAR(33, 31, 2)};

Test(linear, gradients) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gradient_check(&cases[i]);
  }
}

Test(linear, gradients_without_bias_in_three_dimensions) {
  gradient_check(&(struct gradient_case){.name = "mm",
                                         .leaves = {{.name = "x", .shape = {2, 3, 5}, .dims = 3},
                                                    {.name = "w", .shape = {4, 5}, .dims = 2, .parameter = true}},
                                         .build = linear});
}

Test(linear, only_what_is_wanted_is_computed) {
  gradient_check(
      &(struct gradient_case){.name = "frozen weight",
                              .leaves = {{.name = "x", .shape = {4, 3}, .dims = 2},
                                         {.name = "w", .shape = {2, 3}, .dims = 2, .parameter = true, .constant = true},
                                         {.name = "b", .shape = {2}, .dims = 1, .parameter = true, .constant = true}},
                              .build = linear,
                              .context = ""});
  gradient_check(&(struct gradient_case){.name = "constant input",
                                         .leaves = {{.name = "x", .shape = {4, 3}, .dims = 2, .constant = true},
                                                    {.name = "w", .shape = {2, 3}, .dims = 2, .parameter = true},
                                                    {.name = "b", .shape = {2}, .dims = 1, .parameter = true}},
                                         .build = linear,
                                         .context = ""});
}

Test(linear, threads) {
  static const struct gradient_case large = LINEAR(301, 130, 211);
  gradient_check_threads(&large);
}

/* What is held: x if w is trained, nothing of the batch, no parameter. */
Test(linear, holds_its_input_if_the_weight_is_trained) {
  struct memory memory;
  struct tape tape;
  memory_init(&memory, false);
  tape_init(&tape, &memory);
  struct value w = {.shape = {6, 4}, .dims = 2, .parameter = true, .needs_gradient = true};
  struct value v = {.shape = {4, 6}, .dims = 2, .parameter = true};
  w.tensor = tensor_new(&memory, MEMORY_PARAMETER, 24 * sizeof(float));
  v.tensor = tensor_new(&memory, MEMORY_PARAMETER, 24 * sizeof(float));
  struct tensor *batch = tensor_new(&memory, MEMORY_INPUT, 12 * sizeof(float));
  struct value *x = tape_input(&tape, batch, (size_t[]){3, 4}, 2);
  struct value *y = op_linear(&tape, x, &w, NULL);
  cr_assert_eq(memory.saved, 0, "the batch counts as saved");
  struct value *z = op_linear(&tape, y, &v, NULL);
  cr_assert_eq(memory.saved, 0, "held for a weight that is not trained");
  op_linear(&tape, z, &w, NULL);
  cr_assert_eq(memory.saved, 12 * sizeof(float));
  cr_assert_eq(tape.nodes[2].saved_bytes, 12 * sizeof(float));
  tape_fini(&tape);
  tensor_drop(batch);
  tensor_drop(w.tensor);
  tensor_drop(v.tensor);
  cr_assert_eq(memory.live, 0);
}

Test(linear, shapes_that_do_not_fit) {
  struct memory memory;
  struct tape tape;
  memory_init(&memory, true);
  tape_init(&tape, &memory);
  struct value w = {.shape = {6, 5}, .dims = 2, .tensor = tensor_new(&memory, MEMORY_PARAMETER, 120)};
  struct value *x = tape_value(&tape, NULL, (size_t[]){3, 4}, 2);
  tape_enter(&tape, "head");
  cr_assert_null(op_linear(&tape, x, &w, NULL));
  cr_assert_eq(tape.status, ERROR_USAGE);
  cr_assert_str_eq(tape.error.message, "head: mm: shapes (3, 4) and (6, 5) do not fit together");
  cr_assert_null(op_linear(&tape, NULL, &w, NULL), "a failed tape goes on");
  tape_fini(&tape);
  tensor_drop(w.tensor);
}
