/* Libraries that come and go, and allocators that are not libc's. */
#include "tests/profiler/recorded.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct replay record(struct recorded *run, const char *program, const char *mode) {
  recorded_run(run, program, mode, NULL);
  cr_assert_eq(run->code, 0, "%s", run->err.message);
  cr_expect_eq(run->result.status, 0, "%s", run->output);
  struct replay replay = replay_trace(run->result.traces[0].path);
  cr_expect_eq(replay.double_allocs + replay.unknown_frees + replay.lost, 0);
  cr_expect(replay.complete, "%s", replay.damage);
  return replay;
}

/* The plug-ins are opened by bare name: found only along the program's RUNPATH, by the caller's return address. */
Test(preload_modules, plugins_come_and_go, .timeout = 120) {
  struct recorded run = {0};
  struct replay replay = record(&run, "open_plugins", "again");
  cr_expect_eq(replay_count_size(&replay, 33333), 500);
  cr_expect_eq(replay_count_size(&replay, 44444), 500);
  cr_expect_eq(replay_count_size(&replay, 88888), 500);
  replay_fini(&replay);
  recorded_fini(&run);
}

/* The module that a frame lies in at this time; the frame's time must be within the module's. */
static const char *module_at(const struct trace_reader *reader, uint64_t address, uint64_t time_ns) {
  const struct trace_module *modules;
  size_t count = trace_reader_modules(reader, &modules);
  for (size_t i = 0; i < count; i++) {
    if (address >= modules[i].begin && address < modules[i].end && time_ns >= modules[i].from_ns &&
        time_ns < modules[i].to_ns) {
      return modules[i].path;
    }
  }
  return "";
}

/* The two may be mapped at the same address in turn: each event's innermost frame must be in the right one. */
Test(preload_modules, frames_are_in_the_plugin_of_their_time, .timeout = 120) {
  struct recorded run = {0};
  recorded_run(&run, "open_plugins", "again", NULL);
  struct trace_reader *reader;
  struct trace_event event;
  cr_assert_eq(trace_reader_open(&reader, run.result.traces[0].path, NULL), 0);
  size_t checked = 0;
  while (trace_reader_next(reader, &event, NULL) > 0) {
    size_t count;
    const uint64_t *frames = event.kind == TRACE_ALLOC ? trace_reader_stack(reader, event.stack, &count) : NULL;
    const char *wanted = event.size == 33333 ? "plugin_allocate.so" : event.size == 44444 ? "plugin_other.so" : NULL;
    if (frames && wanted) {
      const char *module = module_at(reader, frames[0] - 1, event.time_ns);
      cr_assert(strstr(module, wanted), "event of %s is in '%s'", wanted, module);
      checked++;
    }
  }
  cr_expect_eq(checked, 1000);
  trace_reader_close(reader);
  recorded_fini(&run);
}

Test(preload_modules, failing_dlopen_while_a_thread_allocates, .timeout = 120) {
  struct recorded run = {.keep_min_size = true};
  struct replay replay = record(&run, "open_plugins", "fails");
  cr_expect_eq(replay_count_size(&replay, 33333), 500);
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_modules, deepbind_is_told, .timeout = 60) {
  struct recorded run = {0};
  struct replay replay = record(&run, "open_plugins", "deepbind");
  cr_expect_str_eq(replay.deepbind, "plugin_allocate.so");
  cr_expect_str_empty(replay.own_malloc);
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_modules, own_malloc_is_told, .timeout = 60) {
  struct recorded run = {0};
  struct replay replay = record(&run, "own_malloc", NULL);
  cr_expect(strstr(replay.own_malloc, "own_malloc"), "'%s'", replay.own_malloc);
  cr_expect_eq(replay_count_size(&replay, 10000), 0);
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_modules, libcs_malloc_is_nothing_special, .timeout = 60) {
  struct recorded run = {0};
  struct replay replay = record(&run, "alloc_functions", "peak");
  cr_expect_str_empty(replay.own_malloc);
  cr_expect_str_empty(replay.allocator);
  cr_expect(replay.modules > 3);
  replay_fini(&replay);
  recorded_fini(&run);
}

/* ---- allocators preloaded behind us ------------------------------------------------------------------------------------- */

static void run_with_allocator(const char *library) {
  if (access(library, R_OK) != 0) {
    cr_skip_test("%s is not installed", library);
  }
  setenv("LD_PRELOAD", library, 1);
  struct recorded peak = {0};
  struct replay replay = record(&peak, "alloc_functions", "peak");
  cr_expect_eq(replay.peak_bytes >> 20, 14);
  cr_expect(strstr(replay.allocator, strrchr(library, '/') + 1) || *replay.allocator, "'%s'", replay.allocator);
  cr_expect_lt(replay.live_bytes, 1 << 20, "libraries that it brings may keep some");
  cr_expect_eq(replay.maps, 0, "what the allocator maps is not the program's");
  replay_fini(&replay);
  recorded_fini(&peak);
  struct recorded churn = {.keep_min_size = true};
  replay = record(&churn, "threads", "churn");
  replay_fini(&replay);
  recorded_fini(&churn);
  struct recorded storm = {.options.follow = true};
  recorded_run(&storm, "forks", "storm", NULL);
  cr_expect_eq(storm.result.status, 0, "%s", storm.output);
  cr_expect_eq(storm.result.count, 201);
  recorded_fini(&storm);
}

Test(preload_modules, jemalloc, .timeout = 200) {
  run_with_allocator("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2");
}

Test(preload_modules, tcmalloc, .timeout = 200) {
  run_with_allocator("/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4");
}

Test(preload_modules, mimalloc, .timeout = 200) {
  run_with_allocator("/usr/lib/x86_64-linux-gnu/libmimalloc.so.2.0");
}
