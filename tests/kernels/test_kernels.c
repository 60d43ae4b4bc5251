/* Every instruction set's kernels against the reference. Codes, gradients and 16-bit formats agree bit for bit;
 * activations within ULPS of the reference, which rounds a double once: their own bounds are tighter and stand in
 * test_vmath_accuracy.c, this one catches a lane or a tail that is not computed at all. */
#include "kernels/dispatch.h"
#include "tests/kernels/kernels_check.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { ULPS = 8 };

static const struct kernels *kernels_or_skip(const char *name) {
  const struct kernels *kernels;
  struct error err;
  if (dispatch_find(&kernels, name, &err) < 0) {
    cr_skip_test("NOT TESTED: %s", err.message);
  }
  return kernels;
}

#define KERNELS_AGREE(isa)                                                                                             \
  Test(kernels, isa##_encodes_as_the_reference) {                                                                      \
    const struct finding finding = check_encode(kernels_or_skip(#isa));                                                \
    cr_assert_str_empty(finding.text, "%s", finding.text);                                                             \
  }                                                                                                                    \
  Test(kernels, isa##_decodes_as_the_reference) {                                                                      \
    const struct finding finding = check_decode(kernels_or_skip(#isa));                                                \
    cr_assert_str_empty(finding.text, "%s", finding.text);                                                             \
  }                                                                                                                    \
  Test(kernels, isa##_converts_as_the_reference) {                                                                     \
    const struct finding finding = check_half(kernels_or_skip(#isa));                                                  \
    cr_assert_str_empty(finding.text, "%s", finding.text);                                                             \
  }                                                                                                                    \
  Test(kernels, isa##_activates_every_element) {                                                                       \
    const struct finding finding = check_activate(kernels_or_skip(#isa), ULPS);                                        \
    cr_assert_str_empty(finding.text, "%s", finding.text);                                                             \
  }

KERNELS_AGREE(ref)
#if defined(__x86_64__)
KERNELS_AGREE(avx2)
KERNELS_AGREE(avx512)
#elif defined(__aarch64__)
KERNELS_AGREE(neon)
#endif

/* ---- the choice -------------------------------------------------------------------------------------------------- */

Test(dispatch, chooses_the_best_that_the_cpu_has) {
  const struct kernels *kernels = NULL;
  unsetenv(DISPATCH_VARIABLE);
  cr_assert_eq(dispatch_choose(&kernels, NULL), 0);
  for (size_t i = 0; dispatch_built()[i] != kernels; i++) {
    cr_assert_not(dispatch_supported(dispatch_built()[i]));
  }
  setenv(DISPATCH_VARIABLE, "", 1);
  const struct kernels *same = NULL;
  cr_assert_eq(dispatch_choose(&same, NULL), 0);
  cr_assert_eq(same, kernels);
}

Test(dispatch, is_forced_by_the_environment) {
  const struct kernels *kernels = NULL;
  setenv(DISPATCH_VARIABLE, "ref", 1);
  cr_assert_eq(dispatch_choose(&kernels, NULL), 0);
  cr_assert_eq(kernels, &kernels_ref);
}

Test(dispatch, says_what_is_wrong_with_a_name) {
  const struct kernels *kernels = NULL;
  struct error err;
#if defined(__x86_64__)
  const char *foreign = "neon";
#else
  const char *foreign = "avx2";
#endif
  setenv(DISPATCH_VARIABLE, foreign, 1);
  cr_assert_eq(dispatch_choose(&kernels, &err), ERROR_USAGE);
  cr_assert_not_null(strstr(err.message, "architecture"), "%s", err.message);
  setenv(DISPATCH_VARIABLE, "sse9", 1);
  cr_assert_eq(dispatch_choose(&kernels, &err), ERROR_USAGE);
  cr_assert_not_null(strstr(err.message, "ref, avx2, avx512 and neon"), "%s", err.message);
  cr_assert_not_null(strstr(err.message, DISPATCH_VARIABLE), "%s", err.message);
  cr_assert_null(kernels);
}

/* On a CPU that has them all nothing is to be seen: tests/kernels/lesser_cpu/ has others. */
Test(dispatch, refuses_what_the_cpu_lacks) {
  for (size_t i = 0; dispatch_built()[i]; i++) {
    const struct kernels *kernels = NULL;
    struct error err;
    if (!dispatch_supported(dispatch_built()[i])) {
      cr_assert_eq(dispatch_find(&kernels, dispatch_built()[i]->name, &err), ERROR_USAGE);
      cr_assert_not_null(strstr(err.message, "this CPU does not have it"), "%s", err.message);
    }
  }
}
