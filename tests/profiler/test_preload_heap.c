/* The preload library sees every way to get memory, exactly, and changes nothing. */
#include "profiler/hooks.h"
#include "tests/profiler/recorded.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Test(preload_heap, exports_every_hook) {
  char path[4200];
  snprintf(path, sizeof path, "%s/lib/actscope/actscope_preload.so", getenv("ACTSCOPE_BUILD"));
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  cr_assert(library, "%s", dlerror());
#define EXPORTED(name, type, parameters)                                                                               \
  {                                                                                                                    \
    Dl_info info = {0};                                                                                                \
    void *found = dlsym(library, #name);                                                                               \
    cr_expect(found &&dladdr(found, &info) && strcmp(info.dli_fname, path) == 0, "%s is not ours", #name);             \
  }
  HOOKS(EXPORTED)
  EXPORTED(reallocarray, , )
  EXPORTED(dlopen, , )
}

static void expect_sizes(const struct replay *replay, const uint64_t *sizes, size_t count) {
  size_t at = 0;
  for (uint64_t i = 0; i < replay->allocs && at < count; i++) {
    at += replay->sizes[i] == sizes[at];
  }
  cr_expect(at == count, "allocation %zu, of %lu bytes, is missing or out of order", at, at < count ? sizes[at] : 0);
}

static void expect_clean(const struct replay *replay) {
  cr_expect_eq(replay->double_allocs, 0);
  cr_expect_eq(replay->unknown_frees, 0);
  cr_expect_eq(replay->lost, 0);
  cr_expect_eq(replay->without_stack, 0);
  cr_expect(replay->complete, "%s", replay->damage);
}

static void run_functions(bool everything) {
  static const uint64_t sizes[] = {100001, 300006, 100003, 100004, 500025, 100006, 100032,
                                   100008, 100009, 100010, 100011, 100012, 100012};
  struct recorded run = {.keep_min_size = everything};
  recorded_run(&run, "alloc_functions", "functions", NULL);
  cr_assert_eq(run.code, 0, "%s", run.err.message);
  cr_expect_eq(run.result.status, 0, "%s", run.output);
  struct replay replay = replay_trace(run.result.traces[0].path);
  expect_sizes(&replay, sizes, sizeof sizes / sizeof sizes[0]);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    cr_expect_eq(replay_count_size(&replay, sizes[i]), sizes[i] == 100012 ? 2 : 1, "%lu", sizes[i]);
  }
  expect_clean(&replay);
  cr_expect_eq(replay.maps, 2);
  cr_expect_eq(replay.unmaps, 2);
  cr_expect_eq(replay.mapped_bytes, 0);
  cr_expect_eq(replay.reallocs, 1); /* of a block; of NULL it is an allocation */
  if (everything) {
    cr_expect_eq(replay.small_allocs, 0);
  } else {
    cr_expect_eq(replay.live_blocks, 0);
  }
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_heap, every_function, .timeout = 60) {
  run_functions(false);
}

Test(preload_heap, every_function_with_min_size_0, .timeout = 60) {
  run_functions(true);
}

static void run_peak(bool everything) {
  struct recorded run = {.keep_min_size = everything};
  recorded_run(&run, "alloc_functions", "peak", NULL);
  cr_assert_eq(run.code, 0, "%s", run.err.message);
  struct replay replay = replay_trace(run.result.traces[0].path);
  expect_clean(&replay);
  cr_expect_eq(replay.peak_bytes, 14u << 20);
  cr_expect_eq(replay.live_bytes + replay.small_alloc_bytes - replay.small_free_bytes, 0);
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_heap, known_peak, .timeout = 60) {
  run_peak(false);
}

Test(preload_heap, known_peak_with_min_size_0, .timeout = 60) {
  run_peak(true);
}

Test(preload_heap, small_blocks_are_summed_exactly, .timeout = 60) {
  struct recorded run = {0};
  recorded_run(&run, "alloc_functions", "small", NULL);
  struct replay replay = replay_trace(run.result.traces[0].path);
  expect_clean(&replay);
  cr_expect_eq(replay.small_allocs, 20000);
  cr_expect_eq(replay.small_frees, 19000);
  cr_expect_eq(replay.small_alloc_bytes - replay.small_free_bytes, strtoull(run.output + 5, NULL, 10), "%s",
               run.output);
  cr_expect_eq(replay.allocs, 1);
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_heap, small_blocks_are_events_with_min_size_0, .timeout = 60) {
  struct recorded run = {.keep_min_size = true};
  recorded_run(&run, "alloc_functions", "small", NULL);
  struct replay replay = replay_trace(run.result.traces[0].path);
  expect_clean(&replay);
  cr_expect_eq(replay.allocs, 20001);
  cr_expect_eq(replay.frees, 19001);
  cr_expect_eq(replay.live_bytes, 500500); /* 1 + 2 + ... + 1000, as asked for */
  replay_fini(&replay);
  recorded_fini(&run);
}

static void run_plain(const char *program, const char *mode, bool everything) {
  struct recorded run = {.keep_min_size = everything};
  recorded_run(&run, program, mode, NULL);
  cr_assert_eq(run.code, 0, "%s", run.err.message);
  cr_expect_eq(run.result.status, 0, "%s", run.output);
  struct replay replay = replay_trace(run.result.traces[0].path);
  expect_clean(&replay);
  cr_expect_eq(replay.live_blocks, 0);
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_heap, errno_is_kept, .timeout = 60) {
  run_plain("alloc_functions", "errno", false);
  run_plain("alloc_functions", "errno", true);
}

Test(preload_heap, failures_are_no_allocations, .timeout = 60) {
  struct recorded run = {0};
  recorded_run(&run, "alloc_functions", "overflow", NULL);
  cr_expect_eq(run.result.status, 0, "%s", run.output);
  struct replay replay = replay_trace(run.result.traces[0].path);
  expect_clean(&replay);
  cr_expect_eq(replay.allocs, 2); /* the block, and the same block again when its realloc had failed */
  cr_expect_eq(replay.live_blocks, 0);
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_heap, cxx_new_and_exceptions, .timeout = 60) {
  if (access(recorded_program("cxx_new"), X_OK) != 0) {
    cr_skip_test("there is no C++ compiler");
  }
  static const uint64_t sizes[] = {110001, 110080, 110003, 110004, 110005, 110006, 110006, 110006, 110006, 110008};
  struct recorded run = {0};
  recorded_run(&run, "cxx_new", NULL);
  cr_assert_eq(run.code, 0, "%s", run.err.message);
  cr_expect_eq(run.result.status, 0, "%s", run.output);
  struct replay replay = replay_trace(run.result.traces[0].path);
  expect_sizes(&replay, sizes, sizeof sizes / sizeof sizes[0]);
  cr_expect_eq(replay.double_allocs + replay.unknown_frees + replay.lost, 0);
  replay_fini(&replay);
  recorded_fini(&run);
}
