/* What bench/accuracy.py calls by ctypes: kernels by the name of their instruction set, and the distance of any array
 * of floats from the real numbers. */
#include "tests/kernels/accuracy.h"
#include "kernels/dispatch.h"
#include "kernels/vmath_params.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int accuracy_function(const char *name);
EXPORT void accuracy_fill(float *x, size_t n, uint64_t first, uint64_t stride);
EXPORT void accuracy_real(int id, const float *x, double *reference, size_t n);
EXPORT int accuracy_forward(const char *isa, int id, const float *x, float *y, size_t n);
EXPORT void accuracy_worst(struct accuracy *worst, const float *x, const double *reference, const float *y, size_t n,
                           double low, double high);

int accuracy_function(const char *name) {
  struct function function;
  return function_find(&function, name, NULL) < 0 ? -1 : (int)function.id;
}

void accuracy_fill(float *x, size_t n, uint64_t first, uint64_t stride) {
  accuracy_floats(x, n, first, stride);
}

void accuracy_real(int id, const float *x, double *reference, size_t n) {
  struct function function;
  function_init(&function, (enum function_id)id);
  accuracy_reference(&function, x, reference, n);
}

/* -1 if this machine has no such instruction set. */
int accuracy_forward(const char *isa, int id, const float *x, float *y, size_t n) {
  const struct kernels *kernels;
  struct function function;
  float params[VMATH_PARAMS];
  if (dispatch_find(&kernels, isa, NULL) < 0) {
    return -1;
  }
  function_init(&function, (enum function_id)id);
  vmath_params(function.id, function.params, params);
  kernels->activate[id](x, y, n, params, STORE_CACHED);
  return 0;
}

void accuracy_worst(struct accuracy *worst, const float *x, const double *reference, const float *y, size_t n,
                    double low, double high) {
  accuracy_compare(worst, x, reference, y, n, low, high);
}
