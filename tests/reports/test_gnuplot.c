/* Ctrl-C while gnuplot draws, with shell scripts in gnuplot's place: it goes to both, and gnuplot may end in any way. */
#include "reports/gnuplot.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/actscope-test-XXXXXX", program[64];

static void set_up(void) {
  char path[4096];
  cr_assert_not_null(mkdtemp(folder));
  snprintf(program, sizeof program, "%s/gnuplot", folder);
  snprintf(path, sizeof path, "%s:%s", folder, getenv("PATH"));
  setenv("PATH", path, 1);
}

static void tear_down(void) {
  unlink(program);
  rmdir(folder);
}

TestSuite(gnuplot, .init = set_up, .fini = tear_down);

static int run(const char *script, struct gnuplot_end *end, struct error *err) {
  FILE *file = fopen(program, "w");
  cr_assert_not_null(file);
  fprintf(file, "#!/bin/sh\n%s\n", script);
  cr_assert_eq(fclose(file), 0);
  cr_assert_eq(chmod(program, 0700), 0);
  return gnuplot_run(NULL, "plot x", 6, NULL, end, err);
}

Test(gnuplot, ctrl_c_is_told_however_gnuplot_ends) {
  static const char *const scripts[] = {"kill -INT $PPID; exit 1", "kill -INT $PPID $$", "kill -INT $PPID; exit 0"};
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    struct gnuplot_end end;
    struct error err;
    int code = run(scripts[i], &end, &err);
    cr_expect(end.interrupted, "%s", scripts[i]);
    cr_expect_eq(code, i == 2 ? 0 : ERROR_IO, "%s", scripts[i]);
  }
}

Test(gnuplot, failure_alone_is_no_interrupt) {
  struct gnuplot_end end;
  struct error err;
  cr_assert_eq(run("echo why >&2; exit 1", &end, &err), ERROR_IO);
  cr_assert_not(end.interrupted);
  cr_assert_str_eq(err.message, "gnuplot failed: why");
}

/* As behind nohup, or in the background of a script. */
Test(gnuplot, ctrl_c_that_is_ignored_stays_ignored) {
  struct gnuplot_end end;
  struct error err;
  signal(SIGINT, SIG_IGN);
  cr_assert_eq(run("kill -INT $PPID $$; exit 0", &end, &err), 0);
  cr_assert_not(end.interrupted);
}
