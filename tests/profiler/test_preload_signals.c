/* Signal handlers that allocate or leave by siglongjmp while events are under way. */
#include "tests/profiler/recorded.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct replay record(struct recorded *run, const char *mode) {
  recorded_run(run, "signals", mode, NULL);
  cr_assert_eq(run->code, 0, "%s", run->err.message);
  cr_expect_eq(run->result.status, 0, "%s", run->output);
  struct replay replay = replay_trace(run->result.traces[0].path);
  cr_expect(replay.complete || replay.lost, "%s", replay.damage);
  return replay;
}

static uint64_t main_blocks(const struct replay *replay) {
  uint64_t count = 0;
  for (uint64_t i = 0; i < replay->allocs; i++) {
    count += replay->sizes[i] >= 40000 && replay->sizes[i] < 40100;
  }
  return count;
}

/* A handler's event in the middle of another is left out; its blocks are freed in the same handler. */
static void check(const char *mode) {
  struct recorded run = {0};
  struct replay replay = record(&run, mode);
  cr_expect_eq(main_blocks(&replay), 60000);
  cr_expect_eq(replay.live_blocks, 0);
  cr_expect_eq(replay.double_allocs + replay.unknown_frees, 0);
  cr_expect_eq(replay.small_alloc_bytes, replay.small_free_bytes);
  cr_expect(replay_count_size(&replay, 20000) > 0);
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_signals, handler_on_the_same_stack, .timeout = 120) {
  check("timer");
}

Test(preload_signals, handler_on_its_own_stack, .timeout = 120) {
  check("alternate");
}

Test(preload_signals, events_left_by_siglongjmp, .timeout = 120) {
  struct recorded run = {0};
  struct replay replay = record(&run, "longjmp");
  cr_expect_eq(replay_count_size(&replay, 98765), 100);
  /* An event that was left is not there, one after it is: each signal costs one or two. */
  uint64_t calls = 2 * strtoull(run.output, NULL, 10);
  uint64_t signals = strtoull(strchr(run.output, ' '), NULL, 10);
  cr_expect(replay.maps + replay.unmaps + 2 * signals >= calls, "%lu and %lu of %lu, %lu signals", replay.maps,
            replay.unmaps, calls, signals);
  cr_expect_eq(replay.live_blocks, 0);
  replay_fini(&replay);
  recorded_fini(&run);
}
