#include "kernels/dispatch.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const struct kernels *const built[] = {
#if defined(__x86_64__)
    &kernels_avx512,
    &kernels_avx2,
#elif defined(__aarch64__)
    &kernels_neon,
#endif
    &kernels_ref,
    NULL,
};

const struct kernels *const *dispatch_built(void) {
  return built;
}

#if defined(__x86_64__)
/* __builtin_cpu_supports asks the operating system too: whether it keeps the wide registers over a task switch. */
static bool has_avx2(void) {
  unsigned a, b, c, d;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __get_cpuid(1, &a, &b, &c, &d) &&
         (c & bit_F16C);
}

static bool has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
#endif

bool dispatch_supported(const struct kernels *kernels) {
#if defined(__x86_64__)
  if (kernels == &kernels_avx512) {
    return has_avx512();
  }
  if (kernels == &kernels_avx2) {
    return has_avx2();
  }
#endif
  (void)kernels;
  return true;
}

static bool is_known(const char *name) {
  static const char *const known[] = {"ref", "avx2", "avx512", "neon"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strcmp(name, known[i]) == 0) {
      return true;
    }
  }
  return false;
}

int dispatch_find(const struct kernels **kernels, const char *name, struct error *err) {
  for (size_t i = 0; built[i]; i++) {
    if (strcmp(name, built[i]->name) != 0) {
      continue;
    }
    if (!dispatch_supported(built[i])) {
      return error_set(err, ERROR_USAGE, "instruction set %s: this CPU does not have it; name another or none", name);
    }
    *kernels = built[i];
    return 0;
  }
  if (is_known(name)) {
    return error_set(err, ERROR_USAGE, "instruction set %s: not of this machine's architecture; name another or none",
                     name);
  }
  return error_set(err, ERROR_USAGE, "instruction set \"%s\": unknown; there are ref, avx2, avx512 and neon", name);
}

int dispatch_choose(const struct kernels **kernels, struct error *err) {
  const char *forced = getenv(DISPATCH_VARIABLE);
  if (forced && *forced) {
    struct error why;
    const int code = dispatch_find(kernels, forced, &why);
    return code < 0 ? error_set(err, code, DISPATCH_VARIABLE ": %s", why.message) : 0;
  }
  size_t i = 0;
  while (!dispatch_supported(built[i])) {
    i++;
  }
  *kernels = built[i];
  return 0;
}
