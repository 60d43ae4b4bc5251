#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *err, int code, const char *format, ...) {
  if (err) {
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
  }
  return code;
}

int error_exit_status(int code) {
  if (code >= 0) {
    return 0;
  }
  return code == ERROR_USAGE ? 2 : 3;
}
