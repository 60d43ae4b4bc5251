/* The program from outside. */
#include "tests/cli/shell.h"

#include "tests/support/files.h"
#include "tests/support/trace_builder.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char *shell_folder;

static void write_trace(const char *path) {
  struct trace_builder builder;
  trace_builder_init(&builder, 4 * MIB);
  struct trace_chunk_writer *tables = trace_builder_tables(&builder, 65536);
  const uint64_t frames[] = {0x401000, 0x401100};
  cr_assert(trace_write_stack(tables, 1, frames, 2, NULL, 0));
  struct trace_chunk_writer *events = trace_builder_events(&builder, 0, 1000, 65536);
  cr_assert(trace_write_alloc(events, 1100, 0x10000000, MIB, 1, false));
  cr_assert(trace_write_alloc(events, 1200, 0x20000000, MIB, 1, false));
  cr_assert(trace_write_free(events, 1300, 0x10000000, 1, TRACE_FREE_PLAIN));
  cr_assert(trace_write_alloc(events, 1400, 0x30000000, MIB, 1, false));
  trace_builder_flags(&builder, TRACE_FLAG_ENDED);
  trace_builder_save(&builder, path);
  trace_builder_fini(&builder);
}

void shell_set_up(void) {
  shell_folder = folder_make();
  cr_assert_eq(chdir(shell_folder), 0);
  write_trace("run.act");
}

void shell_tear_down(void) {
  cr_assert_eq(chdir("/"), 0);
  folder_remove(shell_folder);
}

const char *shell_program(void) {
  static char path[4096];
  const char *build = getenv("ACTSCOPE_BUILD");
  cr_assert_not_null(build, "run by ctest, or set ACTSCOPE_BUILD to the build folder");
  snprintf(path, sizeof path, "%s/cli/actscope", build);
  return path;
}

int shell(const char *format, ...) {
  char line[4096], command[8192];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  snprintf(command, sizeof command, "A='%s'; { %s; } >out 2>err </dev/null", shell_program(), line);
  int status = system(command);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool holds(const char *path, const char *text) {
  size_t size;
  char *content = (char *)file_read(path, &size);
  bool found = strstr(content, text);
  free(content);
  return found;
}

size_t size_of(const char *path) {
  size_t size;
  free(file_read(path, &size));
  return size;
}

void shell_expect(const struct shell_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const struct shell_case *one = &cases[i];
    int status = shell("%s", one->line);
    cr_expect_eq(status, one->status, "%s: exit status %d, expected %d", one->line, status, one->status);
    cr_expect(one->out ? holds("out", one->out) : size_of("out") == 0, "%s: standard output", one->line);
    cr_expect(one->err ? holds("err", one->err) : size_of("err") == 0, "%s: standard error", one->line);
  }
}
