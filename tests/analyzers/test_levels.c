/* The highest sum of several runs' live bytes, against a sum over every moment; and bounds from samples. */
#include "analyzers/levels.h"

#include "tests/support/files.h"
#include "tests/support/trace_builder.h"
#include "tests/support/trace_sample.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 5, EVENTS = 400, BLOCKS = 20, STRIDE = 8 };

static char *folder;

static void set_up(void) {
  folder = folder_make();
}

static void tear_down(void) {
  folder_remove(folder);
}

TestSuite(levels, .init = set_up, .fini = tear_down);

/* ---- traces --------------------------------------------------------------------------------------------------------- */

struct level { /* from this time on */
  uint64_t time_ns, bytes;
};

struct made {
  struct path path;
  struct level levels[EVENTS + 1];
  size_t count;
};

/* Blocks come and go at times that no other run's fall on: which of several is first at one moment is not said. */
static void make_random(struct made *made, unsigned run, uint64_t *seed) {
  static const struct trace_small more = {.alloc_bytes = 777, .alloc_count = 3};
  struct trace_builder builder;
  char name[16];
  uint64_t sizes[BLOCKS] = {0}, live = 0, time = run;
  trace_builder_init(&builder, 1 << 20);
  struct trace_chunk_writer *w = trace_builder_events(&builder, 0, 0, TRACE_CHUNK_STEP);
  *made = (struct made){.count = 0};
  for (int i = 0; i < EVENTS; i++) {
    unsigned block = (unsigned)(trace_sample_next(seed) % BLOCKS);
    uint64_t address = 0x10000 * (block + 1);
    time += STRIDE * (1 + trace_sample_next(seed) % 20);
    if (trace_sample_next(seed) % 16 == 0) {
      trace_builder_small(w, &more);
      cr_assert(trace_write_small(w, time));
      live += more.alloc_bytes;
    } else if (sizes[block]) {
      cr_assert(trace_write_free(w, time, address, 0, TRACE_FREE_PLAIN));
      live -= sizes[block];
      sizes[block] = 0;
    } else {
      sizes[block] = 4096 + trace_sample_next(seed) % 100000;
      cr_assert(trace_write_alloc(w, time, address, sizes[block], 0, false));
      live += sizes[block];
    }
    made->levels[made->count++] = (struct level){time, live};
  }
  snprintf(name, sizeof name, "run%u", run);
  made->path = path_join(folder, name);
  trace_builder_save(&builder, made->path.text);
  trace_builder_fini(&builder);
}

static uint64_t level_at(const struct made *made, uint64_t begin, uint64_t time) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < made->count && begin + made->levels[i].time_ns <= time; i++) {
    bytes = made->levels[i].bytes;
  }
  return begin + made->levels[made->count - 1].time_ns <= time ? 0 : bytes; /* with its last event it is gone */
}

static uint64_t sum_at(const struct made *runs, const uint64_t *begins, uint64_t time) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < RUNS; i++) {
    sum += level_at(&runs[i], begins[i], time);
  }
  return sum;
}

static void expect_true_peak(uint64_t seed) {
  static struct made made[RUNS];
  struct levels_run runs[RUNS];
  uint64_t begins[RUNS], highest = 0, when = 0;
  struct levels_sum sum;
  struct error err = {""};
  for (unsigned i = 0; i < RUNS; i++) {
    make_random(&made[i], i, &seed);
    begins[i] = UINT64_C(1700000000000000000) + STRIDE * (trace_sample_next(&seed) % 5000);
    runs[i] = (struct levels_run){
        .trace = made[i].path.text, .start_unix_ns = begins[i], .wall_ns = made[i].levels[made[i].count - 1].time_ns};
  }
  for (unsigned i = 0; i < RUNS; i++) {
    for (size_t j = 0; j < made[i].count; j++) {
      uint64_t time = begins[i] + made[i].levels[j].time_ns, now = sum_at(made, begins, time);
      if (now > highest) {
        highest = now;
        when = time;
      }
    }
  }
  cr_assert_eq(levels_sum(runs, RUNS, &sum, NULL, NULL, &err), 0, "%s", err.message);
  cr_expect_eq(sum.peak_bytes, highest, "seed %lu: %lu instead of %lu", seed, sum.peak_bytes, highest);
  cr_expect_eq(sum_at(made, begins, sum.time_unix_ns), highest, "at another time than %lu", when);
  cr_expect(sum.exact);
  uint64_t parts = 0;
  for (unsigned i = 0; i < RUNS; i++) {
    cr_expect_eq(runs[i].at_peak, level_at(&made[i], begins[i], sum.time_unix_ns));
    parts += runs[i].at_peak;
  }
  cr_expect_eq(parts, highest);
}

Test(levels, the_sum_at_every_moment) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    expect_true_peak(seed * 7919);
  }
}

Test(levels, none_and_one) {
  static struct made made;
  uint64_t seed = 5, highest = 0;
  struct levels_sum sum;
  struct error err = {""};
  cr_assert_eq(levels_sum(NULL, 0, &sum, NULL, NULL, &err), 0);
  cr_expect_eq(sum.peak_bytes, 0);
  make_random(&made, 0, &seed);
  for (size_t i = 0; i < made.count; i++) {
    highest = made.levels[i].bytes > highest ? made.levels[i].bytes : highest;
  }
  struct levels_run run = {.trace = made.path.text, .start_unix_ns = 1, .wall_ns = UINT64_C(1) << 40};
  cr_assert_eq(levels_sum(&run, 1, &sum, NULL, NULL, &err), 0);
  cr_expect_eq(sum.peak_bytes, highest);
  cr_expect_eq(run.at_peak, highest);
}

/* One had ended before the other began. */
Test(levels, what_is_over_is_gone) {
  static struct made made;
  uint64_t seed = 9;
  struct levels_sum alone, both;
  struct error err = {""};
  make_random(&made, 0, &seed);
  struct levels_run runs[2] = {{.trace = made.path.text, .start_unix_ns = 1000, .wall_ns = 1000000},
                               {.trace = made.path.text, .start_unix_ns = 2000000, .wall_ns = 1000000}};
  cr_assert_eq(levels_sum(runs, 1, &alone, NULL, NULL, &err), 0);
  cr_assert_eq(levels_sum(runs, 2, &both, NULL, NULL, &err), 0);
  cr_expect_eq(both.peak_bytes, alone.peak_bytes);
  cr_expect_eq(both.time_unix_ns, alone.time_unix_ns, "of equals the first");
  cr_expect_eq(runs[1].at_peak, 0);
}

/* What a child of fork frees of its parent's small blocks must not be taken from others' bytes. */
Test(levels, none_is_below_nothing) {
  static const struct trace_small freed = {.free_bytes = 5000, .free_count = 1};
  struct trace_builder builder;
  struct path path = path_join(folder, "child");
  struct levels_sum sum;
  struct error err = {""};
  trace_builder_init(&builder, 1 << 20);
  struct trace_chunk_writer *w = trace_builder_events(&builder, 0, 0, TRACE_CHUNK_STEP);
  trace_builder_small(w, &freed);
  cr_assert(trace_write_small(w, 10));
  cr_assert(trace_write_alloc(w, 20, 0x1000, 4096, 0, false));
  cr_assert(trace_write_alloc(w, 30, 0x9000, 6000, 0, false));
  trace_builder_save(&builder, path.text);
  trace_builder_fini(&builder);
  struct facts_sample samples[] = {{.time_ns = 5, .live_bytes = 100}};
  struct levels_run runs[2] = {{.trace = path.text, .wall_ns = 40},
                               {.samples = samples, .samples_count = 1, .wall_ns = 100}};
  cr_assert_eq(levels_sum(runs, 2, &sum, NULL, NULL, &err), 0);
  cr_expect_eq(sum.peak_bytes, 100 + 4096 + 6000 - 5000);
  cr_expect_eq(sum.time_unix_ns, 30);
}

/* ---- samples -------------------------------------------------------------------------------------------------------- */

/* Between two samples nothing more is known than that neither is exceeded. */
Test(levels, samples_bound_the_sum) {
  struct facts_sample a[] = {
      {.time_ns = 10, .live_bytes = 100}, {.time_ns = 20, .live_bytes = 300}, {.time_ns = 30, .live_bytes = 50}};
  struct facts_sample b[] = {{.time_ns = 35, .live_bytes = 1000}, {.time_ns = 36, .live_bytes = 10}};
  struct levels_run runs[2] = {{.samples = a, .samples_count = 3, .start_unix_ns = 1000, .wall_ns = 40},
                               {.samples = b, .samples_count = 2, .start_unix_ns = 990, .wall_ns = 60}};
  struct levels_sum sum;
  struct error err = {""};
  cr_assert_eq(levels_sum(runs, 2, &sum, NULL, NULL, &err), 0);
  cr_expect_not(sum.exact);
  cr_expect_eq(sum.peak_bytes, 1300); /* b: 1000 until 1026; a: up to 300 from 1010 on */
  cr_expect_eq(sum.time_unix_ns, 1010);
  cr_expect_eq(runs[0].at_peak, 300);
  cr_expect_eq(runs[1].at_peak, 1000);
}

Test(levels, no_samples_are_nothing) {
  struct levels_run run = {.start_unix_ns = 1, .wall_ns = 5};
  struct levels_sum sum;
  struct error err = {""};
  cr_assert_eq(levels_sum(&run, 1, &sum, NULL, NULL, &err), 0);
  cr_expect_eq(sum.peak_bytes, 0);
}

Test(levels, a_file_that_is_gone) {
  struct path gone = path_join(folder, "gone");
  struct levels_run run = {.trace = gone.text};
  struct levels_sum sum;
  struct error err = {""};
  cr_expect_eq(levels_sum(&run, 1, &sum, NULL, NULL, &err), ERROR_IO);
  cr_expect(strstr(err.message, "no such file"), "%s", err.message);
}
