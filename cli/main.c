/* actscope: finds the command and runs it. */
#include "cli/command.h"

#include <argp.h>
#include <errno.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command *const commands[] = {&command_record, &command_apply,   &command_info,   &command_analyze,
                                                 &command_report, &command_project, &command_export, &command_quantize,
                                                 &command_replay, &command_verify,  &command_plan,   &command_models};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const struct command *find_command(const char *name) {
  for (size_t i = 0; i < COMMANDS; i++) {
    if (strcmp(commands[i]->name, name) == 0) {
      return commands[i];
    }
  }
  return NULL;
}

/* ---- a mistyped command ---------------------------------------------------------------------------------------- */

enum { NAME_MAX_LENGTH = 24 };

static size_t least(size_t a, size_t b, size_t c) {
  size_t ab = a < b ? a : b;
  return ab < c ? ab : c;
}

/* Levenshtein's distance, with the swap of neighbours as one edit; names are shorter than NAME_MAX_LENGTH. */
static size_t edit_distance(const char *a, const char *b) {
  size_t rows[NAME_MAX_LENGTH + 1][NAME_MAX_LENGTH + 1];
  size_t a_length = strlen(a), b_length = strlen(b);
  for (size_t i = 0; i <= a_length; i++) {
    for (size_t j = 0; j <= b_length; j++) {
      if (!i || !j) {
        rows[i][j] = i + j;
        continue;
      }
      rows[i][j] = least(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && rows[i - 2][j - 2] + 1 < rows[i][j]) {
        rows[i][j] = rows[i - 2][j - 2] + 1;
      }
    }
  }
  return rows[a_length][b_length];
}

static const char *nearest_command(const char *name) {
  const char *nearest = NULL;
  size_t best = 3; /* more than two slips are no typing error */
  for (size_t i = 0; strlen(name) <= NAME_MAX_LENGTH && i < COMMANDS; i++) {
    size_t distance = edit_distance(name, commands[i]->name);
    if (distance < best && distance < strlen(commands[i]->name) / 2 + 1) {
      best = distance;
      nearest = commands[i]->name;
    }
  }
  return nearest;
}

static int unknown_command(const char *name) {
  const char *nearest = nearest_command(name);
  if (nearest) {
    fprintf(stderr, "actscope: unknown command '%.60s': did you mean '%s'?\n", name, nearest);
  } else {
    fprintf(stderr, "actscope: unknown command '%.60s': `actscope --help' lists the commands\n", name);
  }
  return EXIT_USAGE;
}

/* ---- help ------------------------------------------------------------------------------------------------------ */

static void print_help(FILE *out) {
  fputs("Usage: actscope COMMAND [ARG...]\n"
        "Memory profiler for neural-network training: where the memory goes, how much of\n"
        "it is activations saved for backward, and what few-bit gradients would save.\n\n",
        out);
  for (size_t i = 0; i < COMMANDS; i++) {
    fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
  }
  fputs("\nStart with:\n"
        "  actscope record -o run.act -- python3 train.py\n"
        "  actscope report run.act\n\n"
        "`actscope COMMAND --help' tells a command's options, `man actscope' the whole.\n"
        "Exit status: 0 done, 1 a check fell short, 2 wrong usage, 3 bad or damaged input;\n"
        "`record' and `apply' pass on the status of the command that they ran.\n",
        out);
}

/* OpenMP's threads wait for each other by spinning, which on a machine with other work makes a step ten times as long;
 * the runtime reads how they are to wait before main, so it takes a second start of the program. */
static void restart_with_patient_threads(const struct command *command, char **argv) {
  const bool computes = command == &command_replay || command == &command_verify;
  if (computes && !getenv("OMP_WAIT_POLICY") && !getenv("GOMP_SPINCOUNT") &&
      setenv("OMP_WAIT_POLICY", "passive", 1) == 0) {
    execv("/proc/self/exe", argv); /* where that fails, as it is */
  }
}

/* argp takes the name for its messages from argv[0]: "actscope report". */
static int run_command(const struct command *command, int argc, char **argv) {
  char name[NAME_MAX_LENGTH + 16];
  snprintf(name, sizeof name, "actscope %s", command->name);
  argv[0] = name;
  return command->run(argc, argv);
}

static int help(int argc, char **argv) {
  char option[] = "--help";
  char *help_argv[] = {NULL, option, NULL};
  const struct command *command;
  if (argc < 2) {
    print_help(stdout);
    return EXIT_DONE;
  }
  command = find_command(argv[1]);
  return command ? run_command(command, 2, help_argv) : unknown_command(argv[1]);
}

/* ---- main ------------------------------------------------------------------------------------------------------ */

/* What commands print through a sink is checked there; this is for --help and --version on a full disk. */
static void check_stdout(void) {
  if (fclose(stdout) != 0 && errno != EPIPE && errno != EBADF) {
    fprintf(stderr, "actscope: cannot write the output: %s\n", strerror(errno));
    _exit(EXIT_INPUT);
  }
}

int main(int argc, char **argv) {
  const struct command *command;
  setlocale(LC_CTYPE, ""); /* not LC_NUMERIC: figures are the same everywhere */
  argp_err_exit_status = EXIT_USAGE;
  atexit(check_stdout);
  if (argc < 2) {
    print_help(stderr);
    return EXIT_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "-?") == 0) {
    print_help(stdout);
    return EXIT_DONE;
  }
  if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
    puts("actscope " ACTSCOPE_VERSION);
    return EXIT_DONE;
  }
  if (strcmp(argv[1], "help") == 0) {
    return help(argc - 1, argv + 1);
  }
  command = find_command(argv[1]);
  if (!command) {
    return unknown_command(argv[1]);
  }
  restart_with_patient_threads(command, argv);
  return run_command(command, argc - 1, argv + 1);
}
