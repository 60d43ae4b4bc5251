/* Choices: what they hold, and what they refuse. */
#include "kernels/models/choice.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *const two[] = {"gelu", "silu", NULL}, *const wrong[] = {"gelu", "glue", NULL};

Test(choice, holds_what_was_named) {
  struct fewbit_choice choice;
  struct error err;
  for (int method = FEWBIT_VALUE; method <= FEWBIT_INTERVAL; method++) {
    for (unsigned bits = 1; bits <= 5; bits += 2) {
      cr_assert_eq(choice_open(&choice, bits, method, two, &err), 0, "%s", err.message);
      const struct fewbit_quantizer *gelu = choice.quantizer(choice.context, "gelu");
      cr_assert(gelu);
      cr_expect_eq(fewbit_quantizer_bits(gelu), bits);
      cr_expect_str_eq(fewbit_quantizer_function(gelu), "gelu");
      cr_expect(choice.quantizer(choice.context, "silu") && !choice.quantizer(choice.context, "tanh"));
      cr_expect(choice.bits == bits && choice.method == method);
      choice_close(&choice);
    }
  }
}

Test(choice, no_bits_is_exact) {
  struct fewbit_choice choice;
  cr_expect_eq(choice_open(&choice, 0, FEWBIT_VALUE, wrong, NULL), 0);
  cr_expect(choice.bits == 0 && !choice.quantizer);
  choice_close(&choice);
}

Test(choice, refusals) {
  struct fewbit_choice choice;
  struct error err;
  cr_expect_eq(choice_open(&choice, 3, FEWBIT_VALUE, wrong, &err), ERROR_USAGE);
  cr_expect(strstr(err.message, "glue"), "%s", err.message);
  cr_expect_eq(choice_open(&choice, 9, FEWBIT_VALUE, two, &err), ERROR_USAGE);
  cr_expect_eq(choice_open(&choice, 3, 7, two, &err), ERROR_USAGE);
  choice_close(&choice);
}

Test(choice, of_a_model) {
  struct fewbit_choice choice;
  struct model_options options;
  struct error err;
  cr_assert_eq(model_options_find(&options, "roberta-base", &err), 0);
  cr_assert_eq(choice_open_model(&choice, 3, FEWBIT_VALUE, &options, &err), 0);
  cr_expect(choice.quantizer(choice.context, "gelu") && choice.quantizer(choice.context, "tanh"));
  choice_close(&choice);
  cr_assert_eq(model_options_find(&options, "llama", &err), 0);
  cr_assert_eq(choice_open_model(&choice, 3, FEWBIT_VALUE, &options, &err), 0);
  cr_expect(choice.quantizer(choice.context, "silu") && !choice.quantizer(choice.context, "tanh"));
  choice_close(&choice);
}
