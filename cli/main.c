/* actscope: finds the command, in the table of commands.c, and runs it. */
#include "cli/commands.h"
#include "cli/complete.h"
#include "common/temporary.h"

#include <argp.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* OpenMP's threads wait for each other by spinning, which on a machine with other work makes a step ten times as long;
 * the runtime reads how they are to wait before main, so it takes a second start of the program. */
static void restart_with_patient_threads(const struct command *command, char **argv) {
  const bool computes = command == &command_replay || command == &command_verify;
  if (computes && !getenv("OMP_WAIT_POLICY") && !getenv("GOMP_SPINCOUNT") &&
      setenv("OMP_WAIT_POLICY", "passive", 1) == 0) {
    execv("/proc/self/exe", argv); /* where that fails, as it is */
  }
}

/* Beyond the largest file that is allowed (ulimit -f) a write ends the process by SIGXFSZ, with a half-made file left
 * behind; where the signal has a handler the write fails instead, and that is told and tidied up after. A handler, and not
 * SIG_IGN: a program that is run from here gets the signal's own effect again. */
static void on_file_size(int number) {
  (void)number;
}

static void survive_file_size(void) {
  struct sigaction action = {.sa_handler = on_file_size, .sa_flags = SA_RESTART}, old;
  if (sigaction(SIGXFSZ, NULL, &old) == 0 && old.sa_handler == SIG_DFL) {
    sigaction(SIGXFSZ, &action, NULL);
  }
}

/* Ended by a signal, it leaves no half-made file behind. A child of fork that has not come to its exec is not to tidy up. */
static pid_t own_pid;

static void on_end(int number) {
  if (getpid() == own_pid) {
    temporary_remove_all();
  }
  signal(number, SIG_DFL);
  raise(number);
}

static void tidy_up_at_signals(void) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
  struct sigaction action = {.sa_handler = on_end}, old;
  own_pid = getpid();
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL) { /* nohup has it ignored */
      sigaction(numbers[i], &action, NULL);
    }
  }
}

/* ---- main ------------------------------------------------------------------------------------------------------ */

/* What commands print through a sink is checked there; this is for --help and --version on a full disk, or where standard
 * output is closed, which counts if something was to be written. */
static void check_stdout(void) {
  if ((fflush(stdout) != 0 && errno != EPIPE) || (fclose(stdout) != 0 && errno != EPIPE && errno != EBADF)) {
    fprintf(stderr, "actscope: cannot write the output: %s\n", strerror(errno));
    _exit(EXIT_INPUT);
  }
}

static int run(int argc, char **argv) {
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "-?") == 0) {
    command_print_all(stdout);
    return EXIT_DONE;
  }
  if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
    puts("actscope " ACTSCOPE_VERSION);
    return EXIT_DONE;
  }
  if (strcmp(argv[1], COMPLETE_COMMAND) == 0) {
    return complete(argc - 2, argv + 2);
  }
  const struct command *command = command_find(argv[1]);
  if (!command) {
    return command_unknown(argv[1]);
  }
  restart_with_patient_threads(command, argv);
  return command_run(command, argc - 1, argv + 1);
}

int main(int argc, char **argv) {
  setlocale(LC_CTYPE, ""); /* not LC_NUMERIC: figures are the same everywhere */
  argp_err_exit_status = EXIT_USAGE;
  atexit(check_stdout);
  survive_file_size();
  tidy_up_at_signals();
  if (argc < 2) {
    command_print_all(stderr);
    return EXIT_USAGE;
  }
  return run(argc, argv);
}
