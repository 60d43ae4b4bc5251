/* Names of traces: patterns, and the launchers of several ranks that are given one RUN. */
#include "profiler/launch_name.h"

#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void clear(void) {
  static const char *const names[] = {"RANK", "WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    unsetenv(names[i]);
  }
}

TestSuite(launch_name, .init = clear);

/* ---- patterns ------------------------------------------------------------------------------------------------------- */

static void expect_expanded(const char *output, int rank, const char *wanted, bool wanted_own) {
  char path[CONFIG_PATH_MAX];
  bool own;
  struct error err = {""};
  cr_expect_eq(launch_name_expand(path, sizeof path, output, rank, &own, &err), 0, "%s: %s", output, err.message);
  cr_expect_str_eq(path, wanted);
  cr_expect_eq(own, wanted_own, "%s", output);
}

static void expect_refused(const char *output, int rank, const char *said) {
  char path[CONFIG_PATH_MAX];
  bool own;
  struct error err = {""};
  cr_expect_eq(launch_name_expand(path, sizeof path, output, rank, &own, &err), ERROR_USAGE, "%s", output);
  cr_expect(strstr(err.message, said), "%s: '%s'", output, err.message);
}

Test(launch_name, patterns) {
  char wanted[512];
  struct utsname names;
  uname(&names);
  setenv("ACTSCOPE_TEST_NAME", "value", 1);
  expect_expanded("run.act", -1, "run.act", false);
  expect_expanded("a%%b", -1, "a%b", false);
  expect_expanded("run.%r.act", 12, "run.12.act", true);
  expect_expanded("%q{ACTSCOPE_TEST_NAME}/x", -1, "value/x", true);
  snprintf(wanted, sizeof wanted, "/tmp/%s.%d", names.nodename, (int)getpid());
  expect_expanded("/tmp/%h.%p", -1, wanted, true);
  snprintf(wanted, sizeof wanted, "%s", names.nodename);
  expect_expanded("%h", 3, wanted, false);
}

Test(launch_name, patterns_that_are_none) {
  char longer[CONFIG_PATH_MAX + 10];
  memset(longer, 'x', sizeof longer);
  longer[sizeof longer - 1] = '\0';
  setenv("ACTSCOPE_TEST_NAME", "../up", 1);
  expect_refused("run.%r", -1, "none of a distributed job");
  expect_refused("run%", 0, "begins a pattern");
  expect_refused("100%.act", 0, "write %%");
  expect_refused("%q", 0, "%q{NAME}");
  expect_refused("%q{}", 0, "%q{NAME}");
  expect_refused("%q{ACTSCOPE_TEST_NAME", 0, "%q{NAME}");
  expect_refused("%q{ACTSCOPE_TEST_NONE}", 0, "no ACTSCOPE_TEST_NONE");
  expect_refused("%q{ACTSCOPE_TEST_NAME}", 0, "slash");
  expect_refused(longer, 0, "too long");
}

/* ---- several launchers ---------------------------------------------------------------------------------------------- */

static struct launch_name name;

static int make(const char *folder, const char *output, bool by_rank, struct error *err) {
  struct path path = path_join(folder, output);
  struct launch_options options = {.output = path.text, .by_rank = by_rank};
  return launch_name_make(&name, &options, err);
}

static void expect_named(const char *folder, const char *output, bool by_rank, const char *base, const char *stem) {
  struct error err = {""};
  cr_assert_eq(make(folder, output, by_rank, &err), 0, "%s", err.message);
  cr_expect_str_eq(name.base, path_join(folder, base).text);
  cr_expect_str_eq(name.stem, path_join(folder, stem).text);
  cr_expect_eq(launch_name_is_shared(&name), strcmp(base, stem) != 0);
}

Test(launch_name, by_rank) {
  char *folder = folder_make();
  expect_named(folder, "run", true, "run", "run");
  setenv("OMPI_COMM_WORLD_RANK", "2", 1);
  expect_named(folder, "run", true, "run", "run.rank2");
  cr_expect_eq(name.rank, 2);
  cr_expect_eq(name.world_size, 0);
  expect_named(folder, "run", false, "run", "run");
  expect_named(folder, "run.%r", true, "run.2", "run.2");
  cr_expect(name.own);
  expect_named(folder, "run.%r", false, "run.%r", "run.%r");
  setenv("RANK", "0", 1);
  setenv("WORLD_SIZE", "1", 1);
  expect_named(folder, "run", true, "run", "run"); /* the only one */
  folder_remove(folder);
}

Test(launch_name, other_files_are_not_overwritten) {
  char *folder = folder_make();
  struct error err = {""};
  setenv("RANK", "1", 1);
  file_write(path_join(folder, "run.rank1").text, "mine", 4);
  cr_expect_eq(make(folder, "run", true, &err), ERROR_USAGE);
  cr_expect(strstr(err.message, "run.rank1: exists"), "%s", err.message);
  file_write(path_join(folder, "base").text, "mine", 4);
  cr_expect_eq(make(folder, "base", true, &err), ERROR_USAGE);
  cr_expect(strstr(err.message, "base: exists"), "%s", err.message);
  cr_expect_eq(make(folder, "", true, &err), ERROR_USAGE);
  cr_expect_eq(make(folder, "no/such/folder", true, &err), ERROR_IO);
  folder_remove(folder);
}
