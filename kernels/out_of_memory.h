/* The error of a failed allocation; inline, so that analyzers see that it is one. */
#ifndef ACTSCOPE_KERNELS_OUT_OF_MEMORY_H
#define ACTSCOPE_KERNELS_OUT_OF_MEMORY_H

#include "common/error.h"

static inline int out_of_memory(struct error *err, const char *what) {
  error_set(err, ERROR_MEMORY, "%s: out of memory", what);
  return ERROR_MEMORY;
}

#endif
