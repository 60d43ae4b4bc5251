/* The format's versions 1 to 3: magic, version, the header's length, a Python dictionary, then the elements.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "kernels/replay/npy.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 1 << 16, PREFIX_SIZE = 8 };

struct header {
  char kind;
  unsigned width;
  bool big_endian;
};

static int damaged(const char *path, const char *why, struct error *err) {
  return error_set(err, ERROR_INPUT, "%s: %s; save an array with numpy.save", path, why);
}

/* The text behind 'key': in the dictionary, NULL if there is none. */
static const char *value_of(const char *dictionary, const char *key) {
  const char *at = strstr(dictionary, key);
  at = at ? strchr(at + strlen(key), ':') : NULL;
  return at ? at + 1 + strspn(at + 1, " ") : NULL;
}

/* "(3, 4)", "(12,)", "()" */
static bool parse_shape(struct npy *npy, const char *at) {
  if (!at || *at++ != '(') {
    return false;
  }
  npy->count = 1;
  for (;;) {
    char *end;
    at += strspn(at, ", ");
    if (*at == ')') {
      return true;
    }
    const unsigned long long size = strtoull(at, &end, 10);
    if (*at < '0' || *at > '9' || npy->dims == NPY_DIMS || __builtin_mul_overflow(npy->count, size, &npy->count)) {
      return false;
    }
    npy->shape[npy->dims++] = (size_t)size;
    at = end;
  }
}

static int parse_dictionary(struct npy *npy, struct header *header, const char *dictionary, const char *path,
                            struct error *err) {
  const char *descr = value_of(dictionary, "'descr'"), *order = value_of(dictionary, "'fortran_order'");
  if (!descr || !order || !parse_shape(npy, value_of(dictionary, "'shape'"))) {
    return damaged(path, "its header is damaged", err);
  }
  if (*descr != '\'' || !descr[1] || strchr("<=>", descr[1]) == NULL || descr[2] != 'f' ||
      strchr("248", descr[3]) == NULL || descr[4] != '\'') {
    return damaged(path, "its elements are not float32, float16 or float64", err);
  }
  header->big_endian = descr[1] == '>';
  header->kind = descr[2];
  header->width = (unsigned)(descr[3] - '0');
  npy->fortran = strncmp(order, "True", 4) == 0;
  return 0;
}

static int read_header(struct npy *npy, struct header *header, FILE *file, const char *path, struct error *err) {
  unsigned char prefix[PREFIX_SIZE], size[4] = {0};
  if (fread(prefix, 1, sizeof prefix, file) != sizeof prefix || memcmp(prefix, "\x93NUMPY", 6) != 0 || prefix[6] < 1 ||
      prefix[6] > 3) {
    return damaged(path, "not a .npy file", err);
  }
  const size_t size_bytes = prefix[6] == 1 ? 2 : 4;
  if (fread(size, 1, size_bytes, file) != size_bytes) {
    return damaged(path, "its header is damaged", err);
  }
  const size_t length = (size_t)size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24;
  char *dictionary = length < HEADER_MAX ? calloc(length + 1, 1) : NULL;
  int code = ERROR_INPUT;
  if (!dictionary || fread(dictionary, 1, length, file) != length) {
    damaged(path, "its header is damaged", err);
  } else {
    code = parse_dictionary(npy, header, dictionary, path, err);
  }
  free(dictionary);
  return code;
}

static void swap_bytes(unsigned char *bytes, size_t count, unsigned width) {
  for (size_t i = 0; i < count; i++, bytes += width) {
    for (unsigned a = 0, b = width - 1; a < b; a++, b--) {
      const unsigned char byte = bytes[a];
      bytes[a] = bytes[b];
      bytes[b] = byte;
    }
  }
}

/* In place: float i ends before double i + 1 begins. */
static void round_doubles(unsigned char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    double wide;
    memcpy(&wide, bytes + i * sizeof wide, sizeof wide);
    const float narrow = (float)wide;
    memcpy(bytes + i * sizeof narrow, &narrow, sizeof narrow);
  }
}

static double half_value(uint16_t half) {
  const bool special = (half & 0x7c00) == 0x7c00;
  return !special ? 0 : half & 0x3ff ? (double)NAN : half & 0x8000 ? -HUGE_VAL : HUGE_VAL;
}

/* The element, before doubles are rounded; of a float16 only whether it is finite is told. */
static double element_at(const struct npy *npy, unsigned width, size_t i) {
  const unsigned char *at = (const unsigned char *)npy->data + i * width;
  uint16_t half;
  float single;
  double wide;
  switch (width) {
  case sizeof half:
    memcpy(&half, at, sizeof half);
    return half_value(half);
  case sizeof single:
    memcpy(&single, at, sizeof single);
    return (double)single;
  default:
    memcpy(&wide, at, sizeof wide);
    return wide;
  }
}

static int check_elements(const struct npy *npy, unsigned width, const char *path, struct error *err) {
  for (size_t i = 0; i < npy->count; i++) {
    const double value = element_at(npy, width, i);
    if (isnan(value)) {
      return error_set(err, ERROR_INPUT, "%s: element %zu is NaN", path, i);
    }
    if (isinf(value)) {
      return error_set(err, ERROR_INPUT, "%s: element %zu is infinite", path, i);
    }
    if (isinf((float)value)) {
      return error_set(err, ERROR_INPUT, "%s: element %zu, %g, is beyond float32's range", path, i, value);
    }
  }
  return 0;
}

static int read_elements(struct npy *npy, const struct header *header, FILE *file, const char *path,
                         struct error *err) {
  size_t bytes;
  if (__builtin_mul_overflow(npy->count, (size_t)header->width, &bytes)) {
    return damaged(path, "its header is damaged", err);
  }
  npy->data = malloc(bytes + 1);
  if (!npy->data) {
    return error_set(err, ERROR_MEMORY, "%s: out of memory for %zu bytes", path, bytes);
  }
  if (fread(npy->data, 1, bytes, file) != bytes) {
    return damaged(path, "it ends before its last element", err);
  }
  if (header->big_endian) {
    swap_bytes(npy->data, npy->count, header->width);
  }
  int code = check_elements(npy, header->width, path, err);
  if (code < 0) {
    return code;
  }
  npy->type = header->width == 2 ? RUN_FLOAT16 : RUN_FLOAT32;
  npy->rounded = header->width == 8;
  if (npy->rounded) {
    round_doubles(npy->data, npy->count);
  }
  return 0;
}

int npy_read(struct npy *npy, const char *path, struct error *err) {
  struct header header = {0};
  *npy = (struct npy){0};
  FILE *file = fopen(path, "rb");
  if (!file) {
    return error_set(err, ERROR_IO, "cannot read %s: %s", path, strerror(errno));
  }
  int code = read_header(npy, &header, file, path, err);
  if (code == 0) {
    code = read_elements(npy, &header, file, path, err);
  }
  fclose(file);
  return code;
}

void npy_fini(struct npy *npy) {
  free(npy->data);
  *npy = (struct npy){0};
}

bool npy_same_shape(const struct npy *a, const struct npy *b) {
  bool same = a->dims == b->dims && (a->fortran == b->fortran || a->dims < 2);
  for (unsigned i = 0; same && i < a->dims; i++) {
    same = a->shape[i] == b->shape[i];
  }
  return same;
}
