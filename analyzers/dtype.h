/* Names of PyTorch's c10::ScalarType numbers, as in the trace. */
#ifndef ACTSCOPE_ANALYZERS_DTYPE_H
#define ACTSCOPE_ANALYZERS_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

const char *dtype_name(uint32_t dtype);      /* "float32", "unknown"; static */
const char *dtype_by_name(const char *name); /* the same static string, "unknown" if there is no such type */
bool dtype_is_floating(uint32_t dtype);

#endif
