/* What the programs to be profiled share: a check that ends them with status 99, and output that allocates nothing. */
#ifndef ACTSCOPE_TESTS_PROGRAMS_CHECK_H
#define ACTSCOPE_TESTS_PROGRAMS_CHECK_H

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static inline void print(const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  (void)!write(1, text, (size_t)size);
}

#define CHECK(condition)                                                                                               \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      print("%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                            \
      _exit(99);                                                                                                       \
    }                                                                                                                  \
  } while (0)

#endif
