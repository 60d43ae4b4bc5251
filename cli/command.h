/* What every cli/cmd_x.c exports: one descriptor; main.c loops over the table of them.
 *
 * run() parses its own options with argp (argv[0] is "actscope x", for usage texts) and returns the exit status:
 * 0 done, 1 a check fell short, 2 wrong usage, 3 bad or damaged input (`record` passes on the command's own). */
#ifndef ACTSCOPE_CLI_COMMAND_H
#define ACTSCOPE_CLI_COMMAND_H

#include <stdbool.h>

struct argp;

struct command {
  const char *name, *summary; /* summary: one line for `actscope --help`, lower case, no full stop */
  int (*run)(int argc, char **argv);
  const struct argp *argp; /* its options: run() parses with it, completion and suggestions read it */
};

extern const struct command command_record, command_info, command_analyze, command_report, command_project,
    command_export, command_diff, command_quantize, command_apply, command_replay, command_verify, command_plan,
    command_models, command_help, command_doctor, command_import;

enum exit_status { EXIT_DONE = 0, EXIT_SHORT = 1, EXIT_USAGE = 2, EXIT_INPUT = 3 };

/* Prints "actscope: <message>" to stderr, returns the exit status for an error code of common/error.h. */
struct error;
int command_fail(int code, const struct error *err);

/* Prints "actscope: ..." to stderr as a line of its own. */
void command_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, but not after --quiet: for what a user can do without. */
void command_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For --quiet: neither hints nor progress from here on. Standard error is the process's, and so is this. */
void command_be_quiet(void);
bool command_is_quiet(void);

/* command_fail with exit status 2, for wrong usage, and a hint which --help to read; name: the command's. */
int command_usage(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
