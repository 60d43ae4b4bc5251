/* Children of every kind: each process has its own whole trace, and none hangs. */
#include "tests/profiler/recorded.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void record(struct recorded *run, const char *mode) {
  run->options.follow = true;
  recorded_run(run, "forks", mode, NULL);
  cr_assert_eq(run->code, 0, "%s", run->err.message);
  cr_expect_eq(run->result.status, 0, "%s", run->output);
}

/* How many traces hold an allocation of this size; every one must be readable and in order. */
static size_t traces_with(const struct recorded *run, uint64_t size) {
  size_t found = 0;
  for (size_t i = 0; i < run->result.count; i++) {
    struct replay replay = replay_trace(run->result.traces[i].path);
    cr_expect_eq(replay.double_allocs + replay.unknown_frees + replay.lost, 0);
    found += replay_count_size(&replay, size) > 0;
    replay_fini(&replay);
  }
  return found;
}

static void expect_children(const char *mode, size_t traces, size_t with_child) {
  struct recorded run = {0};
  record(&run, mode);
  cr_expect_eq(run.result.count, traces, "%s: %zu traces", mode, run.result.count);
  cr_expect_eq(traces_with(&run, 123456), with_child, "%s", mode);
  recorded_fini(&run);
}

Test(preload_processes, fork_while_threads_allocate, .timeout = 120) {
  expect_children("storm", 201, 200);
}

Test(preload_processes, fork, .timeout = 60) {
  struct recorded run = {0};
  record(&run, "fork");
  cr_expect_eq(run.result.count, 2);
  cr_expect_eq(traces_with(&run, 111111), 1);
  cr_expect_eq(traces_with(&run, 222222), 1);
  cr_expect_eq(traces_with(&run, 123456), 1);
  recorded_fini(&run);
}

Test(preload_processes, fork_in_a_thread, .timeout = 60) {
  expect_children("thread", 2, 1);
}

Test(preload_processes, fork_by_a_bare_system_call, .timeout = 60) {
  expect_children("bare", 2, 1);
}

Test(preload_processes, fork_and_exec, .timeout = 60) {
  expect_children("fork_exec", 2, 1);
}

Test(preload_processes, vfork_and_exec, .timeout = 60) {
  expect_children("vfork_exec", 2, 1);
}

Test(preload_processes, posix_spawn, .timeout = 60) {
  expect_children("spawn", 2, 1);
}

Test(preload_processes, system, .timeout = 60) {
  struct recorded run = {0};
  record(&run, "system");
  cr_expect_eq(traces_with(&run, 123456), 1);
  recorded_fini(&run);
}

Test(preload_processes, children_not_followed, .timeout = 60) {
  struct recorded run = {0};
  run.options.follow = false;
  recorded_run(&run, "forks", "fork", NULL);
  cr_expect_eq(run.result.status, 0);
  cr_expect_eq(run.result.count, 1);
  cr_expect_eq(traces_with(&run, 111111), 1);
  cr_expect_eq(traces_with(&run, 123456), 0);
  recorded_fini(&run);
}

/* What was before exec does not live on: of each process, the last image's trace is left. */
Test(preload_processes, exec_in_place, .timeout = 60) {
  struct recorded run = {0};
  record(&run, "exec");
  cr_assert_eq(run.result.count, 1);
  struct replay last = replay_trace(run.result.traces[0].path);
  cr_expect_eq(replay_count_size(&last, 123456), 1);
  cr_expect_eq(replay_count_size(&last, 654321), 0);
  cr_expect_eq(last.exit_status, 0);
  cr_expect_not(last.flags & TRACE_FLAG_EXEC);
  char replaced[4200];
  snprintf(replaced, sizeof replaced, "%s.%d", run.options.output, last.pid);
  cr_expect_neq(access(replaced, F_OK), 0, "%s is of no use", replaced);
  replay_fini(&last);
  recorded_fini(&run);
}

/* Where the image that did the work was replaced by a small one at its end, it is the one that was meant. */
Test(preload_processes, exec_after_the_work, .timeout = 60) {
  struct recorded run = {0};
  record(&run, "work_exec");
  cr_assert_eq(run.result.count, 2);
  struct replay work = replay_trace(run.result.traces[0].path);
  struct replay last = replay_trace(run.result.traces[1].path);
  cr_expect(work.flags & TRACE_FLAG_EXEC);
  cr_expect_eq(replay_count_size(&work, 654321), 100000);
  cr_expect_eq(replay_count_size(&last, 123456), 1);
  cr_expect_eq(last.exit_status, 0);
  replay_fini(&work);
  replay_fini(&last);
  recorded_fini(&run);
}

/* A child of vfork that ends by _exit must not be taken for its parent, whose memory it uses. */
Test(preload_processes, vfork_that_fails_is_not_the_end, .timeout = 60) {
  struct recorded run = {0};
  recorded_run(&run, "forks", "vfork_fails", NULL);
  cr_expect_eq(run.result.status, 128 + SIGKILL);
  struct replay replay = replay_trace(run.result.traces[0].path);
  cr_expect_not(replay.flags & TRACE_FLAG_ENDED);
  replay_fini(&replay);
  recorded_fini(&run);
}

/* Allocations of this size in every trace of the folder; all_ended: none of the processes is there any more. */
static uint64_t count_in_folder(const char *folder, uint64_t size, bool *all_ended) {
  DIR *stream = opendir(folder);
  uint64_t found = 0;
  *all_ended = true;
  for (struct dirent *entry; (entry = readdir(stream));) {
    if (strncmp(entry->d_name, "run", 3) == 0) {
      struct replay replay = replay_trace(path_join(folder, entry->d_name).text);
      found += replay_count_size(&replay, size);
      *all_ended = *all_ended && kill(replay.pid, 0) != 0;
      replay_fini(&replay);
    }
  }
  closedir(stream);
  return found;
}

/* It leaves the launcher behind, closes every descriptor and goes to "/". */
Test(preload_processes, daemon_is_recorded_to_its_end, .timeout = 60) {
  struct recorded run = {0};
  run.options.compress = true;
  record(&run, "daemon");
  uint64_t found = 0;
  bool all_ended = false;
  for (int i = 0; i < 500 && !(all_ended && found); i++) {
    nanosleep(&(struct timespec){.tv_nsec = 40000000}, NULL);
    found = count_in_folder(run.folder, 70000, &all_ended);
  }
  cr_expect_eq(found, 20000, "%lu", found);
  recorded_fini(&run);
}
