#include "tests/programs/layers_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void layers_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static FILE *open_file(const char *folder, const char *name, const char *mode) {
  char path[4096];
  const int length = snprintf(path, sizeof path, "%s/%s.raw", folder, name);
  FILE *file = length < (int)sizeof path ? fopen(path, mode) : NULL;
  if (!file) {
    layers_fail("%s: %s", path, strerror(errno));
  }
  return file;
}

void layers_read(const char *folder, const char *name, void *data, size_t bytes) {
  FILE *file = open_file(folder, name, "rb");
  if (fread(data, 1, bytes, file) != bytes || fgetc(file) != EOF) {
    layers_fail("%s/%s.raw: has not %zu bytes", folder, name, bytes);
  }
  (void)fclose(file);
}

void layers_write(const char *folder, const char *name, const void *data, size_t bytes) {
  FILE *file = open_file(folder, name, "wb");
  if (fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0) {
    layers_fail("%s/%s.raw: cannot write", folder, name);
  }
}
