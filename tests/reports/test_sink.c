/* Sinks: a file appears whole or not at all; failures are told. */
#include "reports/sink.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];

static void set_up(void) {
  strcpy(directory, "/tmp/actscope-test-sink-XXXXXX");
  cr_assert_not_null(mkdtemp(directory));
}

static const char *in_directory(const char *name) {
  static char path[128];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return path;
}

static int entries(void) {
  DIR *handle = opendir(directory);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(handle));) {
    count += entry->d_name[0] != '.';
  }
  closedir(handle);
  return count;
}

static void tear_down(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", directory);
  cr_assert_eq(system(command), 0);
}

TestSuite(sink, .init = set_up, .fini = tear_down);

static void expect_content(const char *path, const char *content) {
  char buffer[64] = "";
  FILE *file = fopen(path, "r");
  cr_assert_not_null(file);
  buffer[fread(buffer, 1, sizeof buffer - 1, file)] = '\0';
  fclose(file);
  cr_expect_str_eq(buffer, content);
}

Test(sink, file_appears_when_whole) {
  struct sink sink;
  struct error err;
  cr_assert_eq(sink_open(&sink, in_directory("report"), SINK_COLOR_AUTO, &err), 0);
  cr_expect(!sink.color && !sink.unicode && sink.width == 80);
  sink_print(&sink, "%d bytes\n", 12);
  cr_expect_neq(access(in_directory("report"), F_OK), 0);
  cr_assert_eq(sink_close(&sink, &err), 0);
  expect_content(in_directory("report"), "12 bytes\n");
  cr_expect_eq(entries(), 1);
}

Test(sink, discarded_file_leaves_the_old_one) {
  struct sink sink;
  struct error err;
  FILE *old = fopen(in_directory("report"), "w");
  fputs("old", old);
  fclose(old);
  cr_assert_eq(sink_open(&sink, in_directory("report"), SINK_COLOR_AUTO, &err), 0);
  sink_print(&sink, "new");
  sink_discard(&sink);
  expect_content(in_directory("report"), "old");
  cr_expect_eq(entries(), 1);
}

Test(sink, replacement_keeps_mode_and_link) {
  struct sink sink;
  struct error err;
  struct stat status;
  char target[128];
  fclose(fopen(in_directory("target"), "w"));
  cr_assert_eq(chmod(in_directory("target"), 0640), 0);
  snprintf(target, sizeof target, "%s", in_directory("target"));
  cr_assert_eq(symlink(target, in_directory("link")), 0);
  cr_assert_eq(sink_open(&sink, in_directory("link"), SINK_COLOR_AUTO, &err), 0);
  sink_print(&sink, "new");
  cr_assert_eq(sink_close(&sink, &err), 0);
  expect_content(target, "new");
  cr_assert_eq(lstat(in_directory("link"), &status), 0);
  cr_expect(S_ISLNK(status.st_mode));
  cr_assert_eq(stat(target, &status), 0);
  cr_expect_eq(status.st_mode & 0777, 0640);
}

/* As no-color.org and bixense.com/clicolors have it; a terminal without any of the variables is coloured, TERM=dumb apart. */
Test(sink, colour_follows_the_environment) {
  static const struct {
    const char *no_color, *force, *clicolor, *term;
    bool pipe, terminal;
  } cases[] = {
      {NULL, NULL, NULL, "xterm", false, true}, {NULL, NULL, NULL, "dumb", false, false},
      {NULL, NULL, NULL, NULL, false, false},   {"1", NULL, NULL, "xterm", false, false},
      {"", NULL, NULL, "xterm", false, true},   {NULL, "1", NULL, "xterm", true, true},
      {NULL, "1", NULL, NULL, true, true},      {NULL, "0", NULL, "xterm", false, true},
      {NULL, "", NULL, "xterm", false, true},   {"1", "1", NULL, "xterm", false, false},
      {NULL, NULL, "0", "xterm", false, false}, {NULL, NULL, "1", "xterm", false, true},
      {NULL, "1", "0", "xterm", true, true},
  };
  static const char *const names[] = {"NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "TERM"};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *const values[] = {cases[i].no_color, cases[i].force, cases[i].clicolor, cases[i].term};
    for (size_t v = 0; v < 4; v++) {
      cr_assert_eq(values[v] ? setenv(names[v], values[v], 1) : unsetenv(names[v]), 0);
    }
    cr_expect_eq(sink_wants_color(false), cases[i].pipe, "case %zu, in a pipe", i);
    cr_expect_eq(sink_wants_color(true), cases[i].terminal, "case %zu, on a terminal", i);
  }
}

Test(sink, full_disk_is_told) {
  struct sink sink;
  struct error err;
  cr_assert_eq(sink_open(&sink, "/dev/full", SINK_COLOR_AUTO, &err), 0);
  for (int i = 0; i < 100000; i++) {
    sink_write(&sink, "0123456789", 10);
  }
  cr_expect_eq(sink_close(&sink, &err), ERROR_IO);
  cr_expect_not_null(strstr(err.message, "No space left"));
}

Test(sink, missing_directory_is_told) {
  struct sink sink;
  struct error err;
  cr_expect_eq(sink_open(&sink, in_directory("none/report"), SINK_COLOR_AUTO, &err), ERROR_IO);
  cr_expect_not_null(strstr(err.message, "none/report"));
}

Test(sink, failure_of_an_emitter_removes_the_file) {
  struct sink sink;
  struct error err;
  cr_assert_eq(sink_open(&sink, in_directory("report"), SINK_COLOR_AUTO, &err), 0);
  sink_print(&sink, "half");
  sink_fail(&sink, 12 /* ENOMEM */);
  cr_expect_eq(sink_close(&sink, &err), ERROR_MEMORY);
  cr_expect_eq(entries(), 0);
}

Test(sink, memory) {
  struct sink sink;
  struct error err;
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  sink_print(&sink, "%s", "text");
  cr_assert_eq(sink_close(&sink, &err), 0);
  cr_expect_str_eq(sink.memory, "text");
  cr_expect_eq(sink.memory_size, 4);
  free(sink.memory);
}
