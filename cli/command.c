/* How commands tell what went wrong. */
#include "cli/command.h"

#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>

/* File names come from anywhere: control characters in a message would reach the terminal. */
static void print_clean(const char *message) {
  for (const char *c = message; *c; c++) {
    putc((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c, stderr);
  }
}

int command_fail(int code, const struct error *err) {
  fputs("actscope: ", stderr);
  print_clean(err->message);
  putc('\n', stderr);
  return error_exit_status(code);
}

int command_usage(const char *name, const char *format, ...) {
  char message[640];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  fputs("actscope: ", stderr);
  print_clean(message);
  fprintf(stderr, "\nTry `actscope %s --help'.\n", name);
  return EXIT_USAGE;
}
