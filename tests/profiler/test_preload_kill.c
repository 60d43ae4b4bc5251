/* SIGKILL at a random moment, twenty times over: the trace reads, and holds every call that had returned to the program. */
#include "profiler/launch_name.h"
#include "tests/profiler/recorded.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, KILLS = 20 };

static void sleep_ms(long ms) {
  struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

/* Each thread's block sizes are its own, and count up: so it is known which of its events are there. */
static void check_thread(const struct replay *replay, uint64_t thread, uint64_t counted) {
  uint64_t seen = 0;
  uint64_t base = 100000 + 1000 * thread;
  for (uint64_t i = 0; i < replay->allocs; i++) {
    uint64_t size = replay->sizes[i];
    if (size >= base && size < base + 1000) {
      cr_assert_eq(size, base + seen % 1000, "thread %lu: event %lu is missing", thread, seen);
      seen++;
    }
  }
  /* The last call may have been recorded before the program could count it. */
  cr_expect(seen == counted || seen == counted + 1, "thread %lu counted %lu, the trace has %lu", thread, counted, seen);
}

static void check(const char *path, const uint64_t (*counters)[4]) {
  struct replay replay = replay_trace(path);
  uint64_t frees = 0;
  uint64_t small = 0;
  uint64_t small_freed = 0;
  for (uint64_t i = 0; i < THREADS; i++) {
    check_thread(&replay, i, counters[i][0]);
    frees += counters[i][1];
    small += counters[i][2];
    small_freed += counters[i][3];
  }
  cr_expect(replay.frees >= frees && replay.frees <= frees + THREADS, "%lu frees of %lu", replay.frees, frees);
  cr_expect_eq(replay.double_allocs + replay.unknown_frees + replay.lost, 0);
  /* One block of up to 520 bytes a thread may be counted by one side only; its sums may be under way to a record. */
  cr_expect(replay.small_alloc_bytes <= small + THREADS * 1100 && replay.small_alloc_bytes + THREADS * 1100 >= small,
            "small bytes: %lu of %lu", replay.small_alloc_bytes, small);
  cr_expect(replay.small_free_bytes <= small_freed + THREADS * 1100, "small bytes freed");
  cr_expect_not(replay.flags & TRACE_FLAG_ENDED);
  replay_fini(&replay);
}

static uint64_t (*map_counters(const char *path))[4] {
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  cr_assert(fd >= 0 && ftruncate(fd, 4096) == 0);
  void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  cr_assert_neq(mapped, MAP_FAILED);
  close(fd);
  return mapped;
}

/* Starts the program without the launcher, so that the trace is seen as it was left; then finishes it. */
static pid_t start(const char *folder, const char *counters) {
  char preload[4200];
  snprintf(preload, sizeof preload, "%s/lib/actscope/actscope_preload.so", getenv("ACTSCOPE_BUILD"));
  pid_t pid = fork();
  if (pid == 0) {
    setenv("LD_PRELOAD", preload, 1);
    setenv(CONFIG_ENV_TRACE, path_join(folder, "run").text, 1);
    execl(recorded_program("kill_counter"), "kill_counter", counters, (char *)NULL);
    _exit(1);
  }
  cr_assert(pid > 0);
  return pid;
}

static void kill_once(int moment) {
  char *folder = folder_make();
  struct path counted = path_join(folder, "counters");
  uint64_t(*counters)[4] = map_counters(counted.text);
  pid_t pid = start(folder, counted.text);
  for (int i = 0; i < 5000 && counters[THREADS - 1][0] == 0; i++) {
    sleep_ms(1);
  }
  sleep_ms(moment);
  kill(pid, SIGKILL);
  int status;
  waitpid(pid, &status, 0);
  cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  char name[64];
  snprintf(name, sizeof name, "run.%d", (int)pid);
  check(path_join(folder, name).text, (const uint64_t(*)[4])counters);

  struct path output = path_join(folder, "run");
  struct launch_options options = {.output = output.text, .compress = true};
  struct launch_name run;
  struct launch_result result = {.status = 137};
  struct error err;
  cr_assert_eq(launch_name_make(&run, &options, &err), 0, "%s", err.message);
  cr_assert_eq(launch_finish_traces(&options, &run, pid, &result, &err), 0, "%s", err.message);
  cr_assert_eq(result.count, 1);
  check(output.text, (const uint64_t(*)[4])counters);
  launch_result_fini(&result);
  munmap(counters, 4096);
  folder_remove(folder);
}

Test(preload_kill, nothing_that_returned_is_missing, .timeout = 250) {
  srand((unsigned)time(NULL));
  for (int i = 0; i < KILLS; i++) {
    kill_once(rand() % 150);
  }
}
