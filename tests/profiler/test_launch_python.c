/* Which commands the drop-in can be put into, told from their words and first lines alone. */
#include "profiler/launch.h"
#include "profiler/launch_python.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS_MAX = 16 };

static char *folder;

static void set_up(void) {
  folder = folder_make();
}

static void tear_down(void) {
  folder_remove(folder);
}

TestSuite(launch_python, .init = set_up, .fini = tear_down);

/* The command, its words separated by "|"; @ stands for the folder. */
static int check(const char *command, struct error *err) {
  char text[4096], *words[WORDS_MAX + 1] = {0};
  size_t used = 0, count = 0;
  for (const char *c = command; *c; c++) {
    used += (size_t)snprintf(text + used, sizeof text - used, *c == '@' ? "%s" : "%.1s", *c == '@' ? folder : c);
    cr_assert_lt(used, sizeof text);
  }
  for (char *rest = text, *word; (word = strsep(&rest, "|"));) {
    cr_assert_lt(count, (size_t)WORDS_MAX);
    words[count++] = word;
  }
  char *path = launch_find_program(words[0]);
  int code = launch_check_python(path ? path : words[0], words, err);
  free(path);
  return code;
}

static void expect_taken(const char *command) {
  struct error err = {""};
  cr_expect_eq(check(command, &err), 0, "%s: %s", command, err.message);
}

static void expect_refused(const char *command, const char *words) {
  struct error err = {""};
  cr_expect_eq(check(command, &err), ERROR_INPUT, "%s was taken", command);
  cr_expect(strstr(err.message, words), "%s: '%s' should say '%s'", command, err.message, words);
}

static void write_script(const char *name, const char *text) {
  struct path path = path_join(folder, name);
  FILE *file = fopen(path.text, "w");
  cr_assert_not_null(file);
  fputs(text, file);
  fclose(file);
  cr_assert_eq(chmod(path.text, 0755), 0);
}

Test(launch_python, takes_pythons) {
  expect_taken("python3|train.py");
  expect_taken("/opt/venv/bin/python|-m|train");
  expect_taken("python3.11|-u|-W|ignore|train.py");
  expect_taken("python3.13t|train.py");
  expect_taken("python3-dbg|train.py");
  expect_taken("pypy3|train.py");
}

Test(launch_python, refuses_what_is_no_python) {
  expect_refused("ls", "not Python");
  expect_refused("ls|-l|/", "not Python");
  expect_refused("/bin/true", "not Python");
  expect_refused("pythonista", "not Python");
  expect_refused("sh|-c|echo hello", "not Python");
  expect_refused("sh|-c|ls /tmp; date", "not Python");
  expect_refused("sh", "not Python");
  expect_refused("env|LANG=C|ls", "not Python");
}

/* Where Python reads no start-up file; the program's own options are not Python's. */
Test(launch_python, refuses_isolation) {
  expect_refused("python3|-I|train.py", "-I");
  expect_refused("python3|-uI|train.py", "-I");
  expect_refused("python3|-E|train.py", "-E");
  expect_refused("python3|-BS|train.py", "-S");
  expect_refused("python3|-W|ignore|-Im|train", "-I");
  expect_refused("python3|-X|dev|-S|train.py", "-S");
  expect_refused("python3|--check-hash-based-pycs|always|-I|x.py", "-I");
  expect_refused("env|A=1|python3|-I|x.py", "-I");
  expect_refused("sh|-c|exec python3 -E x.py", "-E");
  expect_taken("python3|train.py|-I");
  expect_taken("python3|-c|print()|-S");
  expect_taken("python3|-m|train|-E");
  expect_taken("python3|-mtrain|-E");
  expect_taken("python3|-W|I");
  expect_taken("python3|-WIES|train.py");
  expect_taken("python3|-Ximporttime|train.py");
  expect_taken("python3|-|-I");
  expect_taken("python3|--|-I");
  expect_taken("python3|-P|-s|-O|-q|train.py");
  expect_taken("python3|-W");
}

Test(launch_python, takes_scripts_by_their_first_line) {
  write_script("console", "#!/opt/venv/bin/python3\nimport sys\n");
  write_script("by_env", "#! /usr/bin/env python3\n");
  write_script("isolated", "#!/usr/bin/python3 -Es\n");
  write_script("isolated_env", "#!/usr/bin/env -S python3 -I\n");
  write_script("shell", "#!/bin/sh\nexec python3 train.py\n");
  write_script("perl", "#!/usr/bin/perl\n");
  write_script("plain", "exec python3 train.py\n");
  expect_taken("@/console");
  expect_taken("@/by_env|-I");
  expect_refused("@/isolated", "-E");
  expect_refused("@/isolated_env", "-I");
  expect_taken("@/shell");
  expect_refused("@/perl", "not Python");
  expect_taken("sh|@/plain");
  expect_refused("sh|@/missing", "not Python");
}

Test(launch_python, takes_what_may_start_one) {
  write_script("torchrun", "#!/opt/venv/bin/python3\n");
  write_script("run.sh", "#!/bin/bash\n");
  expect_taken("mpirun|-n|4|python3|train.py");
  expect_taken("env|-i|OMP_NUM_THREADS=1|python3|train.py");
  expect_taken("uv|run|train.py");
  expect_taken("nice|@/torchrun|--nproc-per-node=2|train");
  expect_taken("nice|@/run.sh");
  expect_taken("bash|-c|cd /work && OMP_NUM_THREADS=1 python3 train.py");
  expect_taken("sh|-c|(time python3 x.py)>log");
  expect_taken("sh|-c|@/run.sh");
}

/* A program of another name whose file is Python's: a link, as virtual environments have them. */
Test(launch_python, follows_links) {
  struct path python = path_join(folder, "python3.9"), link = path_join(folder, "my-interpreter");
  write_script("python3.9", "");
  cr_assert_eq(symlink(python.text, link.text), 0);
  expect_taken("@/my-interpreter|train.py");
  expect_refused("@/my-interpreter|-I|train.py", "-I");
}

Test(launch_python, report_folder_comes_and_goes) {
  char *path;
  struct error err;
  cr_assert_eq(setenv("TMPDIR", folder, 1), 0);
  cr_assert_eq(launch_report_make(&path, &err), 0);
  cr_expect_eq(strncmp(path, folder, strlen(folder)), 0);
  struct path file = path_join(path, "1.json");
  fclose(fopen(file.text, "w"));
  launch_report_remove(path);
  cr_expect_neq(access(path, F_OK), 0);
  free(path);
  cr_assert_eq(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
  cr_assert_eq(launch_report_make(&path, &err), 0, "/tmp is there");
  launch_report_remove(path);
  cr_expect_neq(access(path, F_OK), 0);
  free(path);
}
