/* libfewbit: what is refused, and how that is said. */
#include "tests/kernels/fewbit_support.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

Test(fewbit, refuses_null_and_nonsense) {
  fewbit_quantizer *q = fewbit_make("gelu", 3), *none = q;
  float x[8] = {0}, y[8];
  uint8_t codes[8];
  cr_assert_eq(fewbit_forward(NULL, FEWBIT_FLOAT32, x, y, codes, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, NULL, y, codes, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, NULL, codes, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, y, NULL, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_forward(q, (enum fewbit_type)3, x, y, codes, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, x, y, codes, SIZE_MAX), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_encode(q, FEWBIT_FLOAT32, x, NULL, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_activate(q, FEWBIT_FLOAT32, x, NULL, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_backward(NULL, FEWBIT_FLOAT32, codes, x, y, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, NULL, x, y, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, NULL, y, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, codes, x, NULL, 8), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_forward_stochastic(q, FEWBIT_FLOAT32, x, y, codes, 8, 1, 0), FEWBIT_ERROR_UNSUPPORTED);
  cr_assert_eq(fewbit_quantizer_builtin(NULL, 3, &none, NULL), FEWBIT_ERROR_ARGUMENT);
  cr_assert_null(none);
  cr_assert_eq(fewbit_quantizer_builtin("gelu", 3, NULL, NULL), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_quantizer_fit(NULL, &none, NULL), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_quantizer_load(NULL, NULL, 0, &none, NULL), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_quantizer_from_table("gelu", NULL, NULL, 3, NULL, 2, &none, NULL), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_quantizer_stochastic(NULL, &none, NULL), FEWBIT_ERROR_ARGUMENT);
  cr_assert_eq(fewbit_quantizer_bits(NULL), 0);
  cr_assert_eq(fewbit_code_size(NULL, 8), 0);
  cr_assert_null(fewbit_quantizer_levels(NULL, NULL));
  fewbit_quantizer_free(NULL);
  fewbit_quantizer_free(q);
}

Test(fewbit, says_what_is_wrong) {
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  cr_assert_eq(fewbit_quantizer_builtin("gulu", 3, &q, &error), FEWBIT_ERROR_USAGE);
  cr_assert_not_null(strstr(error.message, "gulu"), "%s", error.message);
  cr_assert_eq(fewbit_quantizer_builtin("gelu", 9, &q, &error), FEWBIT_ERROR_USAGE);
  cr_assert_eq(fewbit_quantizer_builtin("gelu", 0, &q, &error), FEWBIT_ERROR_USAGE);
  cr_assert_eq(fewbit_quantizer_load("/nowhere/at all.json", NULL, 0, &q, &error), FEWBIT_ERROR_IO);
  cr_assert_not_null(strstr(error.message, "/nowhere/at all.json"), "%s", error.message);
  cr_assert_eq(
      fewbit_quantizer_fit(&(fewbit_options){.function = "gelu", .bits = 3, .weight = "triangular"}, &q, &error),
      FEWBIT_ERROR_USAGE);
  const fewbit_options alpha = {.function = "gelu", .bits = 3, .params = {{"alpha", 1}}};
  cr_assert_eq(fewbit_quantizer_fit(&alpha, &q, &error), FEWBIT_ERROR_USAGE);
  cr_assert_not_null(strstr(error.message, "alpha"), "%s", error.message);
  cr_assert_null(q);
  for (int status = FEWBIT_ERROR_ISA; status <= FEWBIT_OK; status++) {
    cr_assert_str_not_empty(fewbit_status_message(status));
  }
  cr_assert_not_null(strstr(fewbit_status_message(FEWBIT_ERROR_ARGUMENT), "too large"));
  cr_assert_str_eq(fewbit_status_message(1), "no such status");
  cr_assert_str_eq(fewbit_status_message(-1000), "no such status");
  cr_assert_str_not_empty(fewbit_version());
}

Test(fewbit, refuses_a_forced_instruction_set_that_is_not_there) {
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  setenv(FEWBIT_ISA_VARIABLE, "altivec", 1);
  cr_assert_eq(fewbit_quantizer_builtin("gelu", 3, &q, &error), FEWBIT_ERROR_ISA);
  cr_assert_not_null(strstr(error.message, FEWBIT_ISA_VARIABLE), "%s", error.message);
  cr_assert_not_null(strstr(error.message, "altivec"), "%s", error.message);
  cr_assert_null(q);
}

Test(fewbit, refuses_overlap_and_misalignment) {
  fewbit_quantizer *q = fewbit_make("gelu", 3);
  float memory[64] = {0}, other[64] = {0};
  uint8_t codes[64], *bytes = (uint8_t *)memory;
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, memory, memory + 1, codes, 8), FEWBIT_ERROR_OVERLAP);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, memory + 7, memory, codes, 8), FEWBIT_ERROR_OVERLAP);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, memory + 8, memory, codes, 8), FEWBIT_OK);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, memory, other, bytes + 31, 8), FEWBIT_ERROR_OVERLAP);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, other, memory, bytes + 31, 8), FEWBIT_ERROR_OVERLAP);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, other, memory, bytes + 32, 8), FEWBIT_OK);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, bytes, memory + 8, memory + 9, 8), FEWBIT_ERROR_OVERLAP);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, bytes, other, memory, 8), FEWBIT_ERROR_OVERLAP);
  cr_assert_eq(fewbit_backward(q, FEWBIT_FLOAT32, bytes, memory + 8, memory + 8, 8), FEWBIT_OK);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, bytes + 2, other, codes, 8), FEWBIT_ERROR_ALIGNMENT);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, other, bytes + 1, codes, 8), FEWBIT_ERROR_ALIGNMENT);
  cr_assert_eq(fewbit_forward(q, FEWBIT_BFLOAT16, bytes + 2, other, codes + 1, 8), FEWBIT_OK);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT16, bytes + 1, other, codes, 8), FEWBIT_ERROR_ALIGNMENT);
  fewbit_quantizer_free(q);
}

Test(fewbit, does_nothing_for_no_elements) {
  fewbit_quantizer *q = fewbit_make("gelu", 3), *stochastic = NULL;
  cr_assert_eq(fewbit_quantizer_stochastic(q, &stochastic, NULL), FEWBIT_OK);
  cr_assert_eq(fewbit_code_size(q, 0), 0);
  cr_assert_eq(fewbit_forward(q, FEWBIT_FLOAT32, NULL, NULL, NULL, 0), FEWBIT_OK);
  cr_assert_eq(fewbit_encode(q, FEWBIT_FLOAT16, NULL, NULL, 0), FEWBIT_OK);
  cr_assert_eq(fewbit_activate(q, FEWBIT_FLOAT16, NULL, NULL, 0), FEWBIT_OK);
  cr_assert_eq(fewbit_backward(q, FEWBIT_BFLOAT16, NULL, NULL, NULL, 0), FEWBIT_OK);
  cr_assert_eq(fewbit_forward_stochastic(stochastic, FEWBIT_FLOAT32, NULL, NULL, NULL, 0, 0, 0), FEWBIT_OK);
  fewbit_quantizer_free(q);
  fewbit_quantizer_free(stochastic);
}
