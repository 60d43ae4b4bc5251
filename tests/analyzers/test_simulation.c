/* The simulated peak against a plain recomputation: every level of a random run, changed one by one. */
#include "analyzers/simulation.h"

#include "tests/analyzers/run_builder.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define AT(n) (0x100000000u + (uint64_t)(n)*0x100000u)

enum { BLOCKS = 40, EVENTS = 2000, SCENARIOS = 5, CHANGES = 30 };

static uint64_t next_random(uint64_t *seed) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return *seed >> 33;
}

struct trial {
  struct run_builder run;
  uint64_t sizes[BLOCKS + 1]; /* 0: not live */
  int64_t levels[EVENTS + 2]; /* after each event */
  uint64_t peak_event;
};

/* Allocations and frees of BLOCKS places, each from the stack of its number's parity. */
static void trial_init(struct trial *trial, const uint32_t stacks[2], uint64_t *seed) {
  int64_t live = 0;
  for (uint64_t event = 1; event <= EVENTS; event++) {
    uint64_t place = 1 + next_random(seed) % BLOCKS;
    if (trial->sizes[place]) {
      run_free(&trial->run, AT(place), 0, false);
      live -= (int64_t)trial->sizes[place];
      trial->sizes[place] = 0;
    } else {
      trial->sizes[place] = 4096 + next_random(seed) % 100000;
      run_alloc(&trial->run, AT(place), trial->sizes[place], stacks[place & 1]);
      live += (int64_t)trial->sizes[place];
    }
    trial->levels[event] = live;
    trial->peak_event = live > trial->levels[trial->peak_event] ? event : trial->peak_event;
  }
}

static struct trace_reader *reader_of(struct trial *trial) {
  struct trace_reader *reader = NULL;
  struct error err = {""};
  struct path path = path_join(trial->run.folder, "run");
  run_save(&trial->run, path.text);
  cr_assert_eq(trace_reader_open(&reader, path.text, &err), 0, "%s", err.message);
  return reader;
}

Test(simulation, of_a_trace_is_what_recomputing_every_level_gives) {
  uint64_t seed = 42;
  for (unsigned round = 0; round < 8; round++) {
    struct trial trial = {.peak_event = 0};
    struct scenario scenarios[SCENARIOS];
    int64_t changes[SCENARIOS][EVENTS + 2] = {{0}};
    run_init(&trial.run);
    const uint32_t stacks[] = {run_stack_outside(&trial.run, 1), run_stack_outside(&trial.run, 2)};
    trial_init(&trial, stacks, &seed);
    for (int s = 0; s < SCENARIOS; s++) {
      cr_assert_eq(scenario_init(&scenarios[s], trial.peak_event), 0);
      for (int c = 0; c < CHANGES; c++) {
        uint64_t from = 1 + next_random(&seed) % EVENTS, to = 1 + next_random(&seed) % (EVENTS + 500);
        uint64_t bytes = next_random(&seed) % 30000;
        cr_assert_eq(scenario_take(&scenarios[s], bytes, from, to), 0);
        for (uint64_t event = from; event < to && event <= EVENTS; event++) {
          changes[s][event] -= (int64_t)bytes;
        }
      }
    }
    struct trace_reader *reader = reader_of(&trial);
    struct scenario_groups none = {.stacks_limit = 0};
    cr_assert_eq(simulation_of_trace(reader, scenarios, SCENARIOS, &none), 0);
    for (int s = 0; s < SCENARIOS; s++) {
      int64_t peak = 0;
      for (uint64_t event = 1; event <= EVENTS; event++) {
        int64_t level = trial.levels[event] + changes[s][event];
        peak = level > peak ? level : peak;
      }
      cr_expect_eq(scenarios[s].peak, peak, "round %u, scenario %d", round, s);
      cr_expect_eq((int64_t)scenarios[s].bytes, -changes[s][trial.peak_event]);
      scenario_fini(&scenarios[s]);
    }
    trace_reader_close(reader);
    run_fini(&trial.run);
  }
}

/* Four blocks of one stack at a time, of 10, 30, 20 and 5 pages, on top of another's 100. */
static int64_t peak_without(bool one_at_a_time, uint64_t leave_bytes) {
  struct trial trial = {.peak_event = 0};
  run_init(&trial.run);
  const uint32_t other = run_stack_outside(&trial.run, 1), gone = run_stack_outside(&trial.run, 2);
  run_alloc(&trial.run, AT(1), 100 << 12, other);
  for (uint64_t i = 0; i < 4; i++) {
    run_alloc(&trial.run, AT(2 + i), (uint64_t[]){10, 30, 20, 5}[i] << 12, gone);
  }
  for (uint64_t i = 0; i < 4; i++) {
    run_free(&trial.run, AT(2 + i), 0, false);
  }
  struct trace_reader *reader = reader_of(&trial);
  struct scenario scenario;
  struct scenario_groups groups = {.stacks_limit = trace_reader_stack_limit(reader), .count = 1};
  groups.of_stack = calloc(groups.stacks_limit, 1);
  groups.of_stack[gone] = 1;
  groups.items[0].one_at_a_time = one_at_a_time;
  cr_assert_eq(scenario_init(&scenario, 5), 0);
  cr_assert_eq(scenario_leave(&scenario, leave_bytes, 2, 6), 0);
  cr_assert_eq(simulation_of_trace(reader, &scenario, 1, &groups), 0);
  scenario_fini(&scenario);
  free(groups.of_stack);
  trace_reader_close(reader);
  run_fini(&trial.run);
  return scenario.peak >> 12;
}

Test(simulation, without_the_blocks_of_a_stack) {
  cr_expect_eq(peak_without(false, 0), 100);
  cr_expect_eq(peak_without(true, 0), 130, "the largest of them is left");
  cr_expect_eq(peak_without(false, 10 << 12), 110, "one of them is none of those meant");
}

Test(simulation, of_segments_sorts_its_changes) {
  const struct facts_segment segments[] = {{1, 0, 50}, {10, 0, 100}, {20, 0, 80}, {30, 0, 90}};
  struct level_change changes[] = {{30, 40}, {10, -40}};
  int64_t differences[4];
  cr_expect_eq(simulation_of_segments(segments, 4, changes, 2, differences), 90);
  cr_expect_arr_eq(differences, ((int64_t[]){0, -40, -40, 0}), sizeof differences);
  cr_expect_eq(simulation_of_segments(segments, 4, NULL, 0, NULL), 100);
  cr_expect_eq(simulation_of_segments(NULL, 0, NULL, 0, NULL), 0);
}
