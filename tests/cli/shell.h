/* The program from outside, in a folder of its own: what the tests of commands share. */
#ifndef ACTSCOPE_TESTS_CLI_SHELL_H
#define ACTSCOPE_TESTS_CLI_SHELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIB ((uint64_t)1 << 20)
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Criterion's .init and .fini: a new folder, which becomes the working folder, with a trace "run.act" in it: 3 blocks of
 * 1 MiB, one of them freed before the third, so that the peak is 2 MiB. */
extern char *shell_folder;
void shell_set_up(void);
void shell_tear_down(void);

/* Where the program is. */
const char *shell_program(void);

/* Runs a shell line with $A as the program, standard output to "out" and standard error to "err" unless it says
 * otherwise; the exit status, 128+n after signal n. */
int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Does the file hold the text? */
bool holds(const char *path, const char *text);
size_t size_of(const char *path);

/* Lines, and what must come of them; out and err: what they hold, NULL: nothing at all is written there. */
struct shell_case {
  const char *line;
  int status;
  const char *out, *err;
};
void shell_expect(const struct shell_case *cases, size_t count);

#endif
