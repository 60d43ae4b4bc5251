/* Two recordings to one RUN, at once or one after the other: no trace is lost unseen. */
#include "tests/profiler/recorded.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The pid of a trace run.<pid> in the folder; 0 if there is none. */
static pid_t find_recorded(const char *folder) {
  int pid = 0;
  DIR *stream = opendir(folder);
  for (struct dirent *entry; stream && pid == 0 && (entry = readdir(stream));) {
    sscanf(entry->d_name, "run.%d", &pid); // NOLINT(cert-err34-c): other names give no number
  }
  closedir(stream);
  return pid;
}

static void pause_ms(long ms) {
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* A launcher in a process of its own, whose program waits for a signal. */
static pid_t start_waiting(const char *folder, pid_t *recorded) {
  pid_t launcher = fork();
  if (launcher == 0) {
    struct recorded run = {.folder = strdup(folder)};
    recorded_run(&run, "endings", "wait", NULL);
    _exit(run.code ? 99 : run.result.status);
  }
  for (int i = 0; i < 1000 && !(*recorded = find_recorded(folder)); i++) {
    pause_ms(10);
  }
  cr_assert_neq(*recorded, 0);
  pause_ms(100); /* until its trace has a beginning */
  return launcher;
}

static struct recorded again(const char *folder) {
  struct recorded run = {.folder = strdup(folder)};
  recorded_run(&run, "endings", "status", "3", NULL);
  return run;
}

static void end(struct recorded *run) { /* but for the folder */
  launch_result_fini(&run->result);
  free(run->output);
  free(run->folder);
}

static bool is_there(const char *folder, const char *name) {
  return access(path_join(folder, name).text, F_OK) == 0;
}

Test(launch_earlier, a_second_recording_at_the_same_time_is_refused, .timeout = 60) {
  char *folder = folder_make();
  pid_t recorded;
  pid_t launcher = start_waiting(folder, &recorded);
  struct recorded second = again(folder);
  cr_expect_eq(second.code, ERROR_USAGE);
  cr_expect(strstr(second.err.message, "another actscope records to it"), "%s", second.err.message);
  cr_expect_eq(second.result.count, 0);
  end(&second);
  kill(launcher, SIGTERM);
  int status;
  waitpid(launcher, &status, 0);
  cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM, "%x", status);
  struct replay first = replay_trace(path_join(folder, "run").text);
  cr_expect_eq(first.pid, recorded);
  replay_fini(&first);
  cr_expect_not(is_there(folder, "run.actscope-lock"));
  folder_remove(folder);
}

Test(launch_earlier, a_program_without_its_launcher_is_still_recorded, .timeout = 60) {
  char *folder = folder_make();
  pid_t recorded;
  pid_t launcher = start_waiting(folder, &recorded);
  kill(launcher, SIGKILL);
  waitpid(launcher, NULL, 0);
  char name[32];
  snprintf(name, sizeof name, "run.%d", (int)recorded);

  struct recorded refused = again(folder);
  cr_expect_eq(refused.code, ERROR_USAGE);
  cr_expect(strstr(refused.err.message, name), "%s", refused.err.message);
  end(&refused);

  kill(recorded, SIGKILL);
  struct recorded later = again(folder);
  cr_expect_eq(later.code, 0, "%s", later.err.message);
  cr_expect_eq(later.result.count, 1, "the other one's trace is not of this recording");
  cr_expect_neq(later.result.traces[0].pid, recorded);
  cr_assert(later.result.interrupted && later.result.interrupted[0], "it is to be told");
  cr_expect(strstr(later.result.interrupted[0], name), "%s", later.result.interrupted[0]);
  cr_expect_null(later.result.interrupted[1]);
  end(&later);
  struct replay kept = replay_trace(path_join(folder, name).text);
  cr_expect_eq(kept.pid, recorded);
  cr_expect_eq(replay_count_size(&kept, 60000), 2);
  replay_fini(&kept);
  folder_remove(folder);
}

Test(launch_earlier, a_whole_recording_is_replaced_with_its_children, .timeout = 60) {
  struct recorded run = {.options.follow = true};
  recorded_run(&run, "forks", "fork", NULL);
  cr_assert_eq(run.result.count, 2);
  char *child = strdup(run.result.traces[1].path);
  cr_expect_eq(access(child, R_OK), 0);
  struct recorded later = again(run.folder);
  cr_expect_eq(later.code, 0, "%s", later.err.message);
  cr_expect_eq(later.result.count, 1);
  cr_expect_null(later.result.interrupted[0]);
  cr_expect_neq(access(child, F_OK), 0, "%s is of the recording that was replaced", child);
  end(&later);
  free(child);
  recorded_fini(&run);
}
