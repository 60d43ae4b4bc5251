/* The launcher: the command runs as it would alone, and what cannot be recorded is told plainly. */
#include "tests/profiler/recorded.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- endings ------------------------------------------------------------------------------------------------------------ */

static void expect_status(const char *mode, const char *number, int status) {
  struct recorded run = {0};
  recorded_run(&run, "endings", mode, number, NULL);
  cr_assert_eq(run.code, 0, "%s", run.err.message);
  cr_expect_eq(run.result.status, status, "%s %s gave %d", mode, number, run.result.status);
  struct replay replay = replay_trace(run.result.traces[0].path);
  cr_expect_eq(replay.exit_status, status);
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(launch, status_and_signals_are_passed_on, .timeout = 60) {
  expect_status("status", "0", 0);
  expect_status("status", "3", 3);
  expect_status("_exit", "4", 4);
  expect_status("quick_exit", "6", 6);
  expect_status("abort", "0", 128 + SIGABRT);
  expect_status("segv", "0", 128 + SIGSEGV);
  expect_status("signal", "9", 128 + SIGKILL);
  expect_status("signal", "15", 128 + SIGTERM);
}

Test(launch, order_of_destructors_is_kept, .timeout = 60) {
  struct recorded run = {0};
  recorded_run(&run, "endings", "order", NULL);
  cr_expect_str_eq(run.output, "constructor\nmain\nregistered last\nregistered first\ndestructor\n");
  struct replay replay = replay_trace(run.result.traces[0].path);
  cr_expect_eq(replay_count_size(&replay, 60000), 5, "what constructors and destructors allocate is recorded");
  replay_fini(&replay);
  recorded_fini(&run);
}

/* A signal sent to the launcher alone reaches the command. */
static void expect_passed(int number) {
  pid_t launcher = fork();
  if (launcher == 0) {
    struct recorded run = {0};
    recorded_run(&run, "endings", "wait", NULL);
    int status = run.result.status;
    recorded_fini(&run);
    _exit(status);
  }
  nanosleep(&(struct timespec){.tv_nsec = 400000000}, NULL);
  kill(launcher, number);
  int status;
  cr_assert_eq(waitpid(launcher, &status, 0), launcher);
  cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 128 + number, "signal %d: status %x", number, status);
}

Test(launch, signals_to_the_launcher_are_passed_on, .timeout = 60) {
  expect_passed(SIGTERM);
  expect_passed(SIGINT);
  expect_passed(SIGHUP);
}

/* Of signals to the launcher's process group the command gets one each, as it would alone. Returns how many came. */
static int count_signal(int number, bool to_group) {
  char text[16];
  snprintf(text, sizeof text, "%d", number);
  pid_t launcher = fork();
  if (launcher == 0) {
    setpgid(0, 0);
    struct recorded run = {0};
    recorded_run(&run, "endings", "count", text, NULL);
    int status = run.result.status;
    recorded_fini(&run);
    _exit(status);
  }
  nanosleep(&(struct timespec){.tv_nsec = 400000000}, NULL);
  kill(to_group ? -launcher : launcher, number);
  int status;
  cr_assert_eq(waitpid(launcher, &status, 0), launcher);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -status;
}

Test(launch, signals_to_all_come_once, .timeout = 60) {
  cr_expect_eq(count_signal(SIGTERM, true), 1);
  cr_expect_eq(count_signal(SIGINT, true), 1);
  cr_expect_eq(count_signal(SIGTERM, false), 1);
}

Test(launch, works_where_children_are_ignored, .timeout = 60) {
  signal(SIGCHLD, SIG_IGN);
  struct recorded run = {0};
  recorded_run(&run, "endings", "status", "3", NULL);
  cr_expect_eq(run.result.status, 3);
  recorded_fini(&run);
}

/* ---- what cannot be recorded ----------------------------------------------------------------------------------------------- */

static void expect_refused(const char *command, const char *said) {
  char *path = NULL;
  struct error err = {""};
  cr_expect_lt(launch_check_command(command, &path, &err), 0, "%s was accepted", command);
  cr_expect(strstr(err.message, said), "%s: '%s'", command, err.message);
  cr_expect_null(path);
}

Test(launch, refuses_with_the_reason) {
  expect_refused(recorded_program("endings_static"), "statically linked");
  expect_refused("/", "is a directory");
  expect_refused("/proc/self/status", "not executable");
  expect_refused("no-such-command-anywhere", "not found");
  expect_refused("/no/such/file", "not found");
  expect_refused("cd", "shell built-in");
  expect_refused("source", "shell built-in");
}

static char *write_program(const char *folder, const char *name, const void *bytes, size_t size) {
  struct path path = path_join(folder, name);
  file_write(path.text, bytes, size);
  cr_assert_eq(chmod(path.text, 0755), 0);
  return strdup(path.text);
}

static void expect_bytes_refused(const char *bytes, size_t size, const char *said) {
  char *folder = folder_make();
  char *program = write_program(folder, "program", bytes, size);
  expect_refused(program, said);
  free(program);
  folder_remove(folder);
}

Test(launch, refuses_damaged_and_foreign_files) {
  Elf64_Ehdr elf = {.e_ident = ELFMAG, .e_machine = EM_386, .e_phnum = 1, .e_phoff = 64};
  elf.e_ident[EI_CLASS] = ELFCLASS32;
  expect_bytes_refused((const char *)&elf, sizeof elf, "another machine (32-bit");
  elf.e_ident[EI_CLASS] = ELFCLASS64;
  expect_bytes_refused((const char *)&elf, sizeof elf, "another machine");
  expect_bytes_refused(ELFMAG, SELFMAG, "cut short");
  expect_bytes_refused("", 0, "neither a program nor a script");
  expect_bytes_refused("echo hello\n", 11, "neither a program nor a script");
  expect_bytes_refused("#!/no/such/interpreter -x\n", 26, "its interpreter /no/such/interpreter");
  expect_bytes_refused("#!\n", 3, "its interpreter");
}

/* A script that names itself as interpreter, over and over. */
Test(launch, refuses_an_endless_script) {
  char *folder = folder_make();
  struct path path = path_join(folder, "program");
  char line[4200];
  int size = snprintf(line, sizeof line, "#!%s\n", path.text);
  char *program = write_program(folder, "program", line, (size_t)size);
  expect_refused(program, "interpreter");
  free(program);
  folder_remove(folder);
}

Test(launch, accepts_scripts_by_their_interpreter, .timeout = 60) {
  char *folder = folder_make();
  char *program = write_program(folder, "script", "#!/bin/sh -e\nexit 42\n", 21);
  struct recorded run = {0};
  recorded_run(&run, program, NULL);
  cr_expect_eq(run.code, 0, "%s", run.err.message);
  cr_expect_eq(run.result.status, 42);
  recorded_fini(&run);
  free(program);
  folder_remove(folder);
}

/* As somebody else, a program with root's rights takes no preload library. */
Test(launch, refuses_setuid, .timeout = 60) {
  if (geteuid() != 0) {
    cr_skip_test("only root can make such a program");
  }
  char *folder = folder_make();
  struct path path = path_join(folder, "program");
  size_t size;
  uint8_t *bytes = file_read(recorded_program("endings"), &size);
  file_write(path.text, bytes, size);
  free(bytes);
  cr_assert_eq(chmod(folder, 0755) | chmod(path.text, 04755), 0);
  char *found = NULL;
  struct error err = {""};
  cr_expect_eq(launch_check_command(path.text, &found, &err), 0, "root gains nothing: %s", err.message);
  free(found);
  pid_t pid = fork();
  if (pid == 0) {
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) {
      _exit(98);
    }
    int code = launch_check_command(path.text, &found, &err);
    _exit(code == ERROR_INPUT && strstr(err.message, "setuid") ? 0 : 1);
  }
  int status;
  waitpid(pid, &status, 0);
  cr_expect_eq(status, 0);
  folder_remove(folder);
}

Test(launch, leaves_nothing_behind_when_it_cannot_run, .timeout = 60) {
  struct recorded run = {0};
  recorded_run(&run, "/proc/self/status", NULL);
  cr_expect_eq(run.code, ERROR_INPUT);
  cr_expect_eq(error_exit_status(run.code), 3);
  cr_expect_eq(run.result.count, 0);
  struct path left = path_join(run.folder, "run");
  cr_expect(access(left.text, F_OK) != 0 && errno == ENOENT);
  recorded_fini(&run);
}
