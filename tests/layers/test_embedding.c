/* Embedding: gradients, rows that come more than once, indices out of range. */
#include "tests/layers/gradient_check.h"

#include <criterion/criterion.h>
#include <string.h>

struct lookup {
  size_t count;
  int32_t rows;
};

static struct value *embedding(struct tape *tape, struct value *const *leaves, const void *context) {
  const struct lookup *lookup = context;
  struct tensor *index = gradient_check_numbers(tape->memory, lookup->count, lookup->rows, 0, 3);
  struct value *y = op_embedding(tape, index, lookup->count, leaves[0]);
  tensor_drop(index);
  return y;
}

Test(embedding, gradients) {
  const struct lookup few = {13, 5}, one = {1, 1};
  gradient_check(&(struct gradient_case){.name = "embedding",
                                         .leaves = {{.name = "table", .shape = {5, 3}, .dims = 2, .parameter = true}},
                                         .build = embedding,
                                         .context = &few});
  gradient_check(&(struct gradient_case){.name = "embedding of one",
                                         .leaves = {{.name = "table", .shape = {1, 1}, .dims = 2, .parameter = true}},
                                         .build = embedding,
                                         .context = &one});
}

Test(embedding, threads) {
  const struct lookup many = {2000, 37};
  gradient_check_threads(
      &(struct gradient_case){.name = "embedding",
                              .leaves = {{.name = "table", .shape = {37, 50}, .dims = 2, .parameter = true}},
                              .build = embedding,
                              .context = &many});
}

Test(embedding, an_index_out_of_range) {
  struct memory memory;
  struct tape tape;
  memory_init(&memory, false);
  tape_init(&tape, &memory);
  struct value *table = tape_value(&tape, NULL, (size_t[]){4, 2}, 2);
  struct tensor *index = tensor_new(&memory, MEMORY_INPUT, 3 * sizeof(int32_t));
  memcpy(index->data, (int32_t[]){1, 3, 4}, 3 * sizeof(int32_t));
  cr_assert_not_null(op_embedding(&tape, index, 2, table));
  cr_assert_null(op_embedding(&tape, index, 3, table));
  cr_assert_eq(tape.status, ERROR_INPUT);
  cr_assert(strstr(tape.error.message, "index 2 is 4"), "%s", tape.error.message);
  tape_fini(&tape);
  tensor_drop(index);
  cr_assert_eq(memory.live, 0);
}
