/* How commands tell what went wrong. */
#include "cli/command.h"

#include "common/error.h"
#include "reports/format.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* File names come from anywhere: control characters in a message would reach the terminal. */
static void print_clean(const char *message) {
  char *clean = format_clean(message, true);
  fputs(clean ? clean : "out of memory", stderr);
  free(clean);
}

static bool quiet;

void command_be_quiet(void) {
  quiet = true;
}

bool command_is_quiet(void) {
  return quiet;
}

static void print_line(const char *format, va_list args) {
  char *message = NULL;
  const int length = vasprintf(&message, format, args);
  fputs("actscope: ", stderr);
  print_clean(length < 0 ? "out of memory" : message);
  putc('\n', stderr);
  if (length >= 0) {
    free(message);
  }
}

void command_note(const char *format, ...) {
  va_list args;
  va_start(args, format);
  print_line(format, args);
  va_end(args);
}

void command_hint(const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (!quiet) {
    print_line(format, args);
  }
  va_end(args);
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
