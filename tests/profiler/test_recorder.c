/* The recorder in a process of its own kind, with a fake in the place of unwind.h: what is told it stands in the trace. */
#include "profiler/recorder.h"
#include "tests/profiler/recorded.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the fake: stacks as the test wants them ----------------------------------------------------------------------------- */

static uint64_t fake_frames[8] = {0x1111, 0x2222, 0x3333};
static size_t fake_count = 3;
static void (*during_walk)(void); /* what happens in the middle of an event */

size_t unwind_walk(struct unwind_memo *memo, const void *frame, size_t max, struct stack_key *key) {
  (void)memo;
  (void)frame;
  if (during_walk) {
    during_walk();
  }
  size_t count = fake_count < max ? fake_count : max;
  *key = stack_key_of(fake_frames, count);
  return count;
}

const uint64_t *unwind_frames(struct unwind_memo *memo, size_t count) {
  (void)memo;
  (void)count;
  return fake_frames;
}

bool unwind_meets_signal(const void *frame, uint64_t outer) {
  (void)frame;
  (void)outer;
  return true;
}

void unwind_forget(struct unwind_memo *memo) {
  (void)memo;
}

/* ---- one recorder a test: Criterion gives each a process of its own ------------------------------------------------------- */

static char *folder;

static void setup(void) {
  folder = folder_make();
  setenv(CONFIG_ENV_TRACE, path_join(folder, "run").text, 1);
  recorder_init();
  cr_assert_not_null(recorder_config());
}

static void teardown(void) {
  folder_remove(folder);
}

TestSuite(recorder, .init = setup, .fini = teardown, .timeout = 60);

static struct path trace_path(int pid) {
  char name[64];
  snprintf(name, sizeof name, "run.%d", pid);
  return path_join(folder, name);
}

static struct replay replay_own(void) {
  recorder_note_exit();
  return replay_trace(trace_path(getpid()).text);
}

static void *at(uint64_t address) {
  return (void *)address; // NOLINT(performance-no-int-to-ptr)
}

#define FRAME __builtin_frame_address(0)

Test(recorder, events_stand_in_the_trace) {
  struct thread_state *state = recorder_current();
  recorder_alloc(state, at(0x10000), 5000, FRAME);
  uint32_t stack = recorder_realloc_free(state, at(0x10000), FRAME);
  recorder_realloc_alloc(state, at(0x20000), 9000, stack, FRAME);
  recorder_map(at(0x100000), 8192, false, FRAME);
  recorder_map(at(0x100000), 8192, true, FRAME);
  recorder_map(at(0x100000), 100, true, FRAME); /* too small to be told */
  recorder_free(state, at(0x20000), FRAME);
  struct replay replay = replay_own();
  cr_expect_eq(replay.allocs, 2);
  cr_expect_eq(replay.frees, 2);
  cr_expect_eq(replay.reallocs, 1);
  cr_expect_eq(replay.maps, 1);
  cr_expect_eq(replay.unmaps, 1);
  cr_expect_eq(replay.peak_bytes, 9000);
  cr_expect_eq(replay.live_blocks, 0);
  cr_expect_eq(replay.without_stack, 0);
  cr_expect_eq(replay.double_allocs + replay.unknown_frees + replay.lost, 0);
  cr_expect(replay.flags & TRACE_FLAG_ENDED);
  replay_fini(&replay);
}

Test(recorder, stacks_are_interned) {
  struct thread_state *state = recorder_current();
  for (int i = 0; i < 1000; i++) {
    fake_frames[0] = 0x1000 + (uint64_t)i % 10;
    recorder_alloc(state, at(0x10000 + (uint64_t)i * 64), 4096, FRAME);
  }
  struct trace_reader *reader;
  cr_assert_eq(trace_reader_open(&reader, trace_path(getpid()).text, NULL), 0);
  cr_expect_eq(trace_reader_stack_limit(reader), 11);
  for (uint32_t id = 1; id < 11; id++) {
    size_t count;
    const uint64_t *frames = trace_reader_stack(reader, id, &count);
    cr_assert_eq(count, 3);
    cr_expect_eq(frames[0], 0x1000 + id - 1);
    cr_expect_eq(frames[2], 0x3333);
  }
  trace_reader_close(reader);
}

/* Sums stay below the slack before they are written, and nothing of them is lost, written or not. */
Test(recorder, small_sums_are_exact) {
  struct thread_state *state = recorder_current();
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < 10000; i++) {
    recorder_small_alloc(state, i % 4000);
    bytes += i % 4000;
    if (i % 3 == 0) {
      recorder_small_free(state, 100);
    }
  }
  struct replay before = replay_trace(trace_path(getpid()).text); /* as SIGKILL would leave it */
  cr_expect_eq(before.small_alloc_bytes, bytes);
  cr_expect_eq(before.small_allocs, 10000);
  cr_expect_eq(before.small_frees, 3334);
  replay_fini(&before);
  struct replay after = replay_own();
  cr_expect_eq(after.small_alloc_bytes, bytes);
  cr_expect_eq(after.small_free_bytes, 333400);
  replay_fini(&after);
}

static void allocate_small(void) {
  recorder_small_alloc(recorder_current(), 300);
  recorder_small_free(recorder_current(), 200);
}

/* As a signal handler would, in the middle of an event. */
Test(recorder, small_blocks_during_an_event_count) {
  struct thread_state *state = recorder_current();
  during_walk = allocate_small;
  for (uint64_t i = 0; i < 100; i++) {
    recorder_alloc(state, at(0x10000 * (i + 1)), 4096, FRAME);
  }
  during_walk = NULL;
  struct replay replay = replay_own();
  cr_expect_eq(replay.small_alloc_bytes, 30000);
  cr_expect_eq(replay.small_free_bytes, 20000);
  cr_expect_eq(replay.lost, 0);
  replay_fini(&replay);
}

static void allocate_large(void) {
  recorder_alloc(recorder_current(), at(0x77770000), 4096, FRAME);
}

Test(recorder, an_event_within_an_event_is_counted_as_lost) {
  struct thread_state *state = recorder_current();
  during_walk = allocate_large;
  recorder_alloc(state, at(0x10000), 4096, FRAME);
  during_walk = NULL;
  recorder_alloc(state, at(0x20000), 4096, FRAME);
  struct replay replay = replay_own();
  cr_expect_eq(replay.allocs, 2);
  cr_expect_eq(replay.lost, 1);
  replay_fini(&replay);
}

Test(recorder, chunks_follow_one_another) {
  enum { EVENTS = 400000 }; /* about 5 MB: 64, 128 ... KiB and then chunks of the largest size */
  struct thread_state *state = recorder_current();
  for (uint64_t i = 0; i < EVENTS; i++) {
    recorder_alloc(state, at(0x10000 + 16 * (i % 1000)), 4096 + i, FRAME);
    recorder_free(state, at(0x10000 + 16 * (i % 1000)), FRAME);
    recorder_small_alloc(state, 3);
  }
  struct replay replay = replay_own();
  cr_expect_eq(replay.allocs, EVENTS);
  cr_expect_eq(replay.frees, EVENTS);
  cr_expect_eq(replay.small_alloc_bytes, 3 * EVENTS);
  cr_expect_eq(replay.double_allocs + replay.unknown_frees, 0);
  for (uint64_t i = 0; i < EVENTS; i++) {
    cr_assert_eq(replay.sizes[i], 4096 + i);
  }
  replay_fini(&replay);
}

Test(recorder, errno_is_kept) {
  struct thread_state *state = recorder_current();
  errno = 42;
  recorder_alloc(state, at(0x10000), 5000, FRAME);
  recorder_phase(TRACE_PHASE_BACKWARD, true);
  recorder_meta("key", "value");
  recorder_resident(0x10000, 5000, TRACE_ROLE_PARAMETER, "weight", 6);
  recorder_modules_changed();
  recorder_free(state, at(0x10000), FRAME);
  cr_expect_eq(errno, 42);
}

static int run_child(void (*body)(void)) {
  pid_t pid = fork();
  if (pid == 0) {
    body();
    _exit(0);
  }
  int status;
  waitpid(pid, &status, 0);
  cr_assert_eq(status, 0);
  return (int)pid;
}

static void child(void) {
  recorder_alloc(recorder_current(), at(0x30000), 7777, FRAME);
  recorder_note_exit();
}

Test(recorder, a_child_has_its_own_trace) {
  recorder_alloc(recorder_current(), at(0x10000), 5000, FRAME);
  int pid = run_child(child);
  recorder_alloc(recorder_current(), at(0x20000), 6000, FRAME);
  struct replay own = replay_own();
  struct replay childs = replay_trace(trace_path(pid).text);
  cr_expect_eq(own.allocs, 2);
  cr_expect_eq(replay_count_size(&own, 7777), 0);
  cr_expect_eq(childs.allocs, 1);
  cr_expect_eq(childs.sizes[0], 7777);
  cr_expect_eq(childs.pid, pid);
  cr_expect(childs.modules > 0, "what the parent had mapped is the child's too");
  replay_fini(&own);
  replay_fini(&childs);
}

static void fork_in_the_middle(void) {
  during_walk = NULL;
  if (fork() == 0) {
    return; /* the child goes on with its parent's event */
  }
  int status;
  wait(&status);
}

/* A signal handler forks in the middle of an event: the child's half of it must not reach its parent's trace. */
Test(recorder, fork_in_the_middle_of_an_event) {
  pid_t parent = getpid();
  struct thread_state *state = recorder_current();
  during_walk = fork_in_the_middle;
  recorder_alloc(state, at(0x10000), getpid() == parent ? 5000 : 1, FRAME);
  if (getpid() != parent) {
    _exit(0);
  }
  recorder_alloc(state, at(0x20000), 6000, FRAME);
  struct replay replay = replay_own();
  cr_expect_eq(replay.allocs, 2);
  cr_expect_eq(replay.sizes[0], 5000);
  cr_expect_eq(replay.sizes[1], 6000);
  replay_fini(&replay);
}
