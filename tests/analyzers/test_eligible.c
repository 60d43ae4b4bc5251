/* The list of eligible activations, of facts made by hand. */
#include "analyzers/eligible.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static char gelu[] = "gelu", log_sigmoid[] = "log_sigmoid", addmm[] = "addmm", layer[] = "blocks.0.act", none[] = "";

Test(eligible, in_the_order_of_saving) {
  struct facts_holder first = {gelu, 10, 90}, second = {log_sigmoid, 20, 80}, third = {addmm, 15, 85},
                      fourth = {gelu, 5, 95};
  struct facts_saved_block blocks[] = {{.bytes = 400,
                                        .elements = 100,
                                        .dtype = "float32",
                                        .layer = layer,
                                        .eligible = true,
                                        .holders = &first,
                                        .holders_count = 1},
                                       {.bytes = 300,
                                        .elements = 70,
                                        .dtype = "bfloat16",
                                        .layer = none,
                                        .eligible = true,
                                        .holders = &second,
                                        .holders_count = 1},
                                       {.bytes = 200,
                                        .elements = 50,
                                        .dtype = "float32",
                                        .layer = none,
                                        .eligible = false,
                                        .holders = &third,
                                        .holders_count = 1},
                                       {.bytes = 100,
                                        .elements = 25,
                                        .dtype = "float32",
                                        .layer = none,
                                        .eligible = true,
                                        .holders = &fourth,
                                        .holders_count = 1}};
  const struct facts facts = {.saved = blocks, .saved_count = 4};
  struct eligible *list;
  size_t count;
  cr_assert_eq(eligible_list(&facts, &list, &count), 0);
  cr_assert_eq(count, 3);
  cr_expect(list[0].save_ns == 5 && list[1].save_ns == 10 && list[2].save_ns == 20);
  cr_expect_str_eq(list[1].function, "gelu");
  cr_expect_str_eq(list[1].layer, "blocks.0.act");
  cr_expect(list[1].elements == 100 && list[1].bytes == 400);
  cr_expect_str_eq(list[2].function, "logsigmoid");
  cr_expect_str_eq(list[2].dtype, "bfloat16");
  free(list);
}

Test(eligible, none) {
  const struct facts facts = {0};
  struct eligible *list = (void *)&facts;
  size_t count = 7;
  cr_assert_eq(eligible_list(&facts, &list, &count), 0);
  cr_expect(list == NULL && count == 0);
}

/* Only what was inferred is eligible without a type; its elements were counted as floats. */
Test(eligible, an_unknown_type_is_float32) {
  struct facts_holder holder = {gelu, 10, 90};
  struct facts_saved_block block = {.bytes = 400,
                                    .elements = 100,
                                    .dtype = "unknown",
                                    .layer = none,
                                    .eligible = true,
                                    .holders = &holder,
                                    .holders_count = 1};
  const struct facts facts = {.saved = &block, .saved_count = 1};
  struct eligible *list;
  size_t count;
  cr_assert_eq(eligible_list(&facts, &list, &count), 0);
  cr_assert_eq(count, 1);
  cr_expect_str_eq(list[0].dtype, "float32");
  free(list);
}
