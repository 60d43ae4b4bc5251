/* Programs that answer, that do not, and that are none. */
#include "cli/run_output.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LONG_MS = 60000 };
static char answer[64];

static int ask(const char *line, int limit_ms) {
  char shell[] = "sh", option[] = "-c", copy[256];
  char *argv[] = {shell, option, copy, NULL};
  strcpy(copy, line);
  return run_output(argv, limit_ms, answer, sizeof answer);
}

TestSuite(run_output, .timeout = 120);

Test(run_output, answers) {
  cr_expect_eq(ask("echo hello; echo world", LONG_MS), 0);
  cr_expect_str_eq(answer, "hello\nworld\n");
  cr_expect_eq(ask("echo hello; echo noise >&2; exit 7", LONG_MS), 7);
  cr_expect_str_eq(answer, "hello\n");
  cr_expect_eq(ask("kill -TERM $$", LONG_MS), 128 + SIGTERM);
  cr_expect_str_eq(answer, "");
  cr_expect_eq(ask("cat", LONG_MS), 0, "there is something to read");
}

/* What there is no room for is read all the same, so that the program can end. */
Test(run_output, long_answers_are_cut) {
  cr_expect_eq(ask("seq 1000000 1100000", LONG_MS), 0);
  cr_expect_eq(strlen(answer), sizeof answer - 1);
  cr_expect_eq(strncmp(answer, "1000000\n1000001\n10", 18), 0);
}

Test(run_output, no_such_program) {
  char none[] = "no-such-program-anywhere";
  char *argv[] = {none, NULL};
  cr_expect_eq(run_output(argv, LONG_MS, answer, sizeof answer), RUN_OUTPUT_NOT_RUN);
  cr_expect_str_eq(answer, "");
}

static long read_pid(const char *path) {
  char line[32] = "";
  FILE *file = fopen(path, "r");
  cr_assert(file && fgets(line, sizeof line, file));
  fclose(file);
  const long pid = strtol(line, NULL, 10);
  cr_assert_gt(pid, 1);
  return pid;
}

/* One that nobody has waited for yet is no more than an entry in a table: where nothing reaps orphans, it stays one. */
static bool runs(long pid) {
  char path[64], line[256] = "";
  snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  FILE *file = fopen(path, "r");
  const bool read = file && fgets(line, sizeof line, file);
  if (file) {
    fclose(file);
  }
  const char *state = read ? strrchr(line, ')') : NULL; /* "17 (sleep) S ..." */
  return state && state[2] != 'Z' && state[2] != 'X';
}

/* Who does not answer is ended, with what it has started; also who closes its output and goes on. */
Test(run_output, late_programs_are_ended) {
  static const char *const lines[] = {"echo so far; sleep 1000 & echo $! >%s; wait",
                                      "sleep 1000 >/dev/null & echo $! >%s; echo so far; exec >&-; wait"};
  for (size_t i = 0; i < 2; i++) {
    char path[] = "/tmp/test_run_output.XXXXXX", line[256];
    close(mkstemp(path));
    snprintf(line, sizeof line, lines[i], path);
    cr_expect_eq(ask(line, 2000), RUN_OUTPUT_LATE);
    cr_expect_str_eq(answer, "so far\n");
    const long child = read_pid(path);
    for (int tries = 0; tries < 1000 && runs(child); tries++) { /* a signal takes a moment */
      nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    cr_expect_not(runs(child), "it still runs");
    unlink(path);
  }
}
