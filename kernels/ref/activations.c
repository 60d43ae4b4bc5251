/* The reference's forward: f in double, rounded to float once. */
#include "kernels/ref/ref.h"

#include "kernels/vmath_params.h"

static void activate(enum function_id id, const float *x, float *y, size_t n, const float *params) {
  struct function function = {.id = id};
  for (unsigned i = 0; i < FUNCTION_PARAMS; i++) {
    function.params[i] = (double)params[i];
  }
  for (size_t i = 0; i < n; i++) {
    y[i] = (float)function_value(&function, (double)x[i]);
  }
}

#define REF_ACTIVATE(ID, name)                                                                                         \
  static void activate_##name(const float *x, float *y, size_t n, const float *params, enum store_hint hint) {         \
    (void)hint;                                                                                                        \
    activate(ID, x, y, n, params);                                                                                     \
  }
VMATH_FUNCTIONS(REF_ACTIVATE)

#define REF_ENTRY(ID, name) [ID] = activate_##name,

const struct kernels kernels_ref = {
    .name = "ref",
    .activate = {VMATH_FUNCTIONS(REF_ENTRY)},
    .encode = ref_encode,
    .decode = ref_decode,
    .bf16_widen = ref_bf16_widen,
    .bf16_narrow = ref_bf16_narrow,
    .fp16_widen = ref_fp16_widen,
    .fp16_narrow = ref_fp16_narrow,
};
