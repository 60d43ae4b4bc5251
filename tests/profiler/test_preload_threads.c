/* Many threads: nothing is lost, and the order of events on every address is true. */
#include "tests/profiler/recorded.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

static struct replay record(struct recorded *run, const char *program, const char *mode) {
  recorded_run(run, program, mode, NULL);
  cr_assert_eq(run->code, 0, "%s", run->err.message);
  cr_expect_eq(run->result.status, 0, "%s", run->output);
  struct replay replay = replay_trace(run->result.traces[0].path);
  cr_expect_eq(replay.double_allocs, 0, "%lu blocks allocated while live", replay.double_allocs);
  cr_expect_eq(replay.unknown_frees, 0, "%lu frees of blocks not live", replay.unknown_frees);
  cr_expect_eq(replay.lost, 0);
  cr_expect(replay.complete, "%s", replay.damage);
  return replay;
}

Test(preload_threads, short_lives_and_their_last_words, .timeout = 120) {
  enum { LIVES = 64 * 20 };
  struct recorded run = {0};
  struct replay replay = record(&run, "threads", "waves");
  uint64_t results = 0;
  for (uint64_t size = 5000; size < 5064; size++) {
    results += replay_count_size(&replay, size);
  }
  cr_expect_eq(results, LIVES);
  cr_expect_eq(replay_count_size(&replay, 9000), LIVES);
  cr_expect_eq(replay_count_size(&replay, 8000), 4 * LIVES); /* the destructor runs four times */
  cr_expect_eq(replay_count_size(&replay, 7000), 4 * LIVES);
  cr_expect_eq(replay.live_blocks, LIVES); /* what the last of them left behind */
  cr_expect(replay.threads > 64);
  replay_fini(&replay);
  recorded_fini(&run);
}

/* Streams are used again, also those of threads that allocated after they had said goodbye. */
Test(preload_threads, streams_are_used_again, .timeout = 120) {
  struct recorded run = {0};
  recorded_run(&run, "threads", "waves", NULL);
  struct trace_reader *reader;
  cr_assert_eq(trace_reader_open(&reader, run.result.traces[0].path, NULL), 0);
  cr_expect(trace_reader_info(reader)->streams < 400, "%zu streams", trace_reader_info(reader)->streams);
  trace_reader_close(reader);
  recorded_fini(&run);
}

Test(preload_threads, smallest_stacks_there_are, .timeout = 120) {
  struct recorded run = {.options.follow = true};
  struct replay replay = record(&run, "threads", "stacks");
  cr_expect_eq(replay_count_size(&replay, 6000), 20);
  cr_expect_eq(replay.threads, 21);
  cr_expect_eq(run.result.count, 21);
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_threads, freed_by_another_thread, .timeout = 120) {
  struct recorded run = {0};
  struct replay replay = record(&run, "threads", "cross");
  cr_expect_eq(replay.live_blocks, 0);
  cr_expect_geq(replay.allocs, 40000);
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_threads, one_address_after_another, .timeout = 120) {
  struct recorded run = {0};
  struct replay replay = record(&run, "threads", "churn");
  cr_expect_eq(replay.live_blocks, 0);
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_threads, one_address_after_another_with_min_size_0, .timeout = 120) {
  struct recorded run = {.keep_min_size = true};
  struct replay replay = record(&run, "threads", "churn");
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_threads, openmp_workers, .timeout = 120) {
  if (access(recorded_program("openmp"), X_OK) != 0) {
    cr_skip_test("this compiler has no OpenMP here");
  }
  struct recorded run = {0};
  struct replay replay = record(&run, "openmp", NULL);
  uint64_t blocks = 0;
  for (uint64_t size = 5000; size < 5064; size++) {
    blocks += replay_count_size(&replay, size);
  }
  cr_expect_eq(blocks, 4000);
  cr_expect_geq(replay.threads, 4);
  replay_fini(&replay);
  recorded_fini(&run);
}
