/* The table of c10/core/ScalarType.h, in its order. */
#include "analyzers/dtype.h"

#include <stddef.h>
#include <string.h>

static const struct {
  const char *name;
  bool floating;
} dtypes[] = {
    {"uint8", false},        {"int8", false},           {"int16", false},          {"int32", false},
    {"int64", false},        {"float16", true},         {"float32", true},         {"float64", true},
    {"complex32", false},    {"complex64", false},      {"complex128", false},     {"bool", false},
    {"qint8", false},        {"quint8", false},         {"qint32", false},         {"bfloat16", true},
    {"quint4x2", false},     {"quint2x4", false},       {"bits1x8", false},        {"bits2x4", false},
    {"bits4x2", false},      {"bits8", false},          {"bits16", false},         {"float8_e5m2", true},
    {"float8_e4m3fn", true}, {"float8_e5m2fnuz", true}, {"float8_e4m3fnuz", true}, {"uint16", false},
    {"uint32", false},       {"uint64", false},
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

const char *dtype_name(uint32_t dtype) {
  return dtype < DTYPES ? dtypes[dtype].name : "unknown";
}

const char *dtype_by_name(const char *name) {
  for (size_t i = 0; i < DTYPES; i++) {
    if (strcmp(dtypes[i].name, name) == 0) {
      return dtypes[i].name;
    }
  }
  return "unknown";
}

bool dtype_is_floating(uint32_t dtype) {
  return dtype < DTYPES && dtypes[dtype].floating;
}
