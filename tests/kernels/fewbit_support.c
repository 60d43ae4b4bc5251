#include "tests/kernels/fewbit_support.h"

#include "kernels/philox.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const fewbit_isas[FEWBIT_ISAS] = {"ref", "avx2", "avx512", "neon"};

static void restore(char *forced) {
  if (forced) {
    setenv(FEWBIT_ISA_VARIABLE, forced, 1);
  } else {
    unsetenv(FEWBIT_ISA_VARIABLE);
  }
  free(forced);
}

fewbit_quantizer *fewbit_make_on(const char *isa, const char *function, unsigned bits) {
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  const char *forced = getenv(FEWBIT_ISA_VARIABLE);
  char *kept = forced ? strdup(forced) : NULL;
  setenv(FEWBIT_ISA_VARIABLE, isa, 1);
  const int status = fewbit_quantizer_builtin(function, bits, &q, &error);
  restore(kept);
  cr_assert(status == FEWBIT_OK || status == FEWBIT_ERROR_ISA, "%s", error.message);
  cr_assert_eq(status == FEWBIT_OK, q != NULL);
  if (q) {
    cr_assert_str_eq(fewbit_quantizer_isa(q), isa);
  } else if (strstr(error.message, "this CPU")) {
    fprintf(stderr, "SKIPPED: NOT TESTED: no %s on this CPU\n", isa); /* the others are */
  }
  return q;
}

fewbit_quantizer *fewbit_make(const char *function, unsigned bits) {
  fewbit_quantizer *q = NULL;
  fewbit_error error;
  cr_assert_eq(fewbit_quantizer_builtin(function, bits, &q, &error), FEWBIT_OK, "%s", error.message);
  return q;
}

float *fewbit_floats(size_t n) {
  float *x = malloc((n + 1) * sizeof *x);
  cr_assert_not_null(x);
  for (size_t i = 0; i < n; i++) {
    x[i] = 12.0f * ((float)(philox_at(i, 1, 2).word[0] >> 8) * 0x1p-24f) - 6.0f;
  }
  return x;
}

unsigned fewbit_code_of(const fewbit_quantizer *q, float x) {
  unsigned count, interval = 0;
  const float *breakpoints = fewbit_quantizer_breakpoints(q, &count);
  for (unsigned i = 0; i < count; i++) {
    interval += x >= breakpoints[i];
  }
  return fewbit_quantizer_codes(q, NULL)[interval];
}
