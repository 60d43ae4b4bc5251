/* The projected timeline against a simulation of its own, event by event: it is never below what would have been live in a
 * sample's time, never above the projected peak, and reaches that. */
#include "analyzers/projection_timeline.h"

#include "analyzers/projection.h"
#include "analyzers/timeline.h"
#include "common/error.h"
#include "tests/analyzers/run_builder.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define AT(n) (0x100000000u + (uint64_t)(n)*0x1000000u)
enum { LAYERS = 6, STEPS = 5, EVENTS_MAX = 600 };

static struct run_builder run;
static struct facts facts;
static uint64_t state;
static int64_t levels[EVENTS_MAX], with_codes[EVENTS_MAX]; /* right after each event; ordinals begin at 1 */
static uint64_t times[EVENTS_MAX];
static int64_t live, difference;

static uint64_t below(uint64_t n) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state % n;
}

/* The event that was just written changed so much. */
static void note(int64_t change, int64_t change_with_codes) {
  live += change;
  difference += change_with_codes;
  levels[run.events] = live;
  with_codes[run.events] = live + difference;
  times[run.events] = run.time_ns;
  run.time_ns += below(5000);
}

/* A forward pass over layers, each block kept by a gelu, and the backward pass. */
static void step(unsigned bits) {
  const uint32_t outside = run_stack_outside(&run, 1), save = run_stack_in_op(&run, RUN_GELU, 2, false);
  uint64_t tensors[LAYERS];
  int64_t bytes[LAYERS], codes[LAYERS];
  for (int i = 0; i < LAYERS; i++) {
    bytes[i] = (int64_t)(4096 + 4 * below(50000));
    codes[i] = (int64_t)projection_code_bytes((uint64_t)bytes[i] / 4, bits);
    run_alloc(&run, AT(i), (uint64_t)bytes[i], outside);
    note(bytes[i], 0);
    tensors[i] = run_save_tensor(&run, 0, AT(i), (uint64_t)bytes[i], save);
    note(0, 0);
    run_alloc(&run, AT(100 + i), 1000, outside); /* gelu has returned: codes are all that is left */
    note(1000, codes[i] - bytes[i]);
  }
  run_backward(&run, true);
  note(0, 0);
  for (int i = LAYERS; i-- > 0;) {
    run_release(&run, tensors[i], run_node_type(RUN_GELU));
    note(0, -codes[i]);
    run_free(&run, AT(i), 0, true);
    note(-bytes[i], bytes[i]);
    run_free(&run, AT(100 + i), 0, false);
    note(-1000, 0);
  }
  run_backward(&run, false);
  note(0, 0);
}

static void build(uint64_t seed, unsigned bits) {
  state = seed * 0x9e3779b97f4a7c15u;
  live = difference = 0;
  levels[0] = with_codes[0] = 0;
  times[0] = 0;
  run_init(&run);
  for (int i = 0; i < STEPS; i++) {
    step(bits);
  }
  cr_assert_lt(run.events, (uint64_t)EVENTS_MAX);
  facts = run_facts(&run);
}

static void end(void) {
  facts_fini(&facts);
  run_fini(&run);
}

/* The highest that would have been live in [from, to). */
static int64_t highest_in(uint64_t from, uint64_t to) {
  int64_t highest = 0;
  for (uint64_t event = 0; event <= run.events; event++) {
    const uint64_t until = event < run.events ? times[event + 1] : UINT64_MAX;
    if (times[event] < to && until > from) {
      highest = with_codes[event] > highest ? with_codes[event] : highest;
    }
  }
  return highest;
}

Test(projection_timeline, bounds_what_would_have_been_live) {
  for (uint64_t seed = 1; seed <= 8; seed++) {
    const unsigned bits = 1 + (unsigned)(seed % 4);
    build(seed, bits);
    const uint64_t width = facts.run.wall_ns / TIMELINE_SAMPLES + 1;
    const uint64_t peak = facts.projections[bits - 1].peak_bytes;
    uint64_t *projected = calloc(facts.timeline_count, sizeof *projected), most = 0, above = 0;
    cr_assert_eq(projection_timeline(&facts, bits, NULL, 0, projected), 0);
    cr_assert_eq(peak, (uint64_t)highest_in(0, UINT64_MAX));
    for (size_t i = 0; i < facts.timeline_count; i++) {
      const uint64_t true_level =
          (uint64_t)highest_in(i * width, i + 1 < facts.timeline_count ? (i + 1) * width : UINT64_MAX);
      cr_assert_geq(projected[i], true_level, "seed %lu, sample %zu", (unsigned long)seed, i);
      cr_assert_leq(projected[i], peak);
      most = projected[i] > most ? projected[i] : most;
      above += projected[i] > true_level;
    }
    cr_expect_eq(most, peak);
    cr_expect_lt(above, facts.timeline_count / 10, "%lu of %zu are no more than bounds", (unsigned long)above,
                 facts.timeline_count);
    free(projected);
    end();
  }
}

/* No function that this run has: what was live, and for every sample. */
Test(projection_timeline, without_codes_it_is_the_timeline) {
  build(3, 2);
  uint64_t *projected = calloc(facts.timeline_count, sizeof *projected);
  cr_assert_eq(projection_timeline(&facts, 2, (const char *const[]){"silu"}, 1, projected), 0);
  for (size_t i = 0; i < facts.timeline_count; i++) {
    cr_assert_eq(projected[i], facts.timeline[i].live_bytes, "sample %zu", i);
  }
  free(projected);
  end();
}

Test(projection_timeline, bits_that_there_are_not) {
  struct facts nothing = {0};
  cr_expect_eq(projection_timeline(&nothing, 0, NULL, 0, NULL), ERROR_USAGE);
  cr_expect_eq(projection_timeline(&nothing, PROJECTION_BITS_MAX + 1, NULL, 0, NULL), ERROR_USAGE);
  cr_expect_eq(projection_timeline(&nothing, 3, NULL, 0, NULL), 0);
}
