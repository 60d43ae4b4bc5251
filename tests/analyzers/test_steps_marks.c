/* Steps as a program's own marks have them: of steps, of phases, and of regions that are filled anew. Events are 10 ns
 * apart. */
#include "tests/analyzers/run_builder.h"

#include <criterion/criterion.h>

enum { PIECE = 64 * 1024, PIECES = 8 };
#define ARENA UINT64_C(0x20000000)
#define PIECE_AT(i) (ARENA + (uint64_t)(i)*PIECE)

static struct run_builder run;
static struct facts facts;
static uint32_t stack, gelu;

static void setup(void) {
  run_init(&run);
  stack = run_stack_outside(&run, 1);
  gelu = run_string(&run, "gelu");
  run_alloc(&run, ARENA, (uint64_t)PIECES * PIECE, stack);
  for (int i = 0; i < PIECES; i++) {
    run_region(&run, PIECE_AT(i), PIECE, 0, gelu);
  }
}

static void teardown(void) {
  facts_fini(&facts);
  run_fini(&run);
}

TestSuite(steps_marks, .init = setup, .fini = teardown);

static void saves(int count) {
  for (int i = 0; i < count; i++) {
    run_mark_save(&run, PIECE_AT(i), PIECE, 0);
  }
}

static void releases(int count) {
  for (int i = count; i-- > 0;) {
    run_mark_release(&run, PIECE_AT(i));
  }
}

static void forward(int count) {
  run_mark_phase(&run, TRACE_PHASE_FORWARD, true);
  saves(count);
  run_mark_phase(&run, TRACE_PHASE_FORWARD, false);
}

static void backward(int count) {
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, true);
  releases(count);
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, false);
}

static void update(void) {
  run_mark_phase(&run, TRACE_PHASE_UPDATE, true);
  run_small(&run, 100, 100);
  run_mark_phase(&run, TRACE_PHASE_UPDATE, false);
}

static void expect_steps(size_t count, uint64_t saved) {
  facts = run_facts(&run);
  cr_assert_eq(facts.steps_count, count, "%zu steps", facts.steps_count);
  for (size_t i = 0; i < count; i++) {
    cr_expect_eq(facts.steps[i].saved_bytes, saved, "step %zu saves %lu", i, (unsigned long)facts.steps[i].saved_bytes);
    cr_expect(facts.steps[i].complete);
  }
}

/* ---- marks of steps ------------------------------------------------------------------------------------------------- */

Test(steps_marks, several_backward_passes_are_one_step) {
  uint64_t begins[3];
  for (int i = 0; i < 3; i++) {
    run_mark_step(&run);
    begins[i] = run.time_ns;
    for (int half = 0; half < 2; half++) {
      forward(4);
      backward(4);
    }
    update();
  }
  expect_steps(3, 4 * PIECE);
  for (int i = 0; i < 3; i++) {
    cr_expect_eq(facts.steps[i].begin_ns, begins[i]);
    cr_expect_eq(facts.steps[i].backward_ns, begins[i] + 70, "the first backward pass");
    cr_expect_eq(facts.steps[i].backward_end_ns, begins[i] + 240, "the end of the last one");
  }
}

/* Without a mark of backward the step turns where releases begin. */
Test(steps_marks, a_step_without_a_backward_pass_turns_at_its_releases) {
  for (int i = 0; i < 3; i++) {
    run_mark_step(&run);
    saves(3);
    releases(3);
  }
  expect_steps(3, 3 * PIECE);
  const struct facts_step *step = &facts.steps[1];
  cr_expect_eq(step->backward_ns, step->begin_ns + 40);
  cr_expect_eq(step->backward_end_ns, step->begin_ns + 60);
  cr_expect_eq(step->end_ns, facts.steps[2].begin_ns);
}

Test(steps_marks, a_mark_that_nothing_follows_is_no_step) {
  run_mark_step(&run);
  run_mark_step(&run);
  forward(2);
  backward(2);
  run_mark_step(&run);
  expect_steps(1, 2 * PIECE);
}

/* A run that ends within a step. */
Test(steps_marks, the_last_step_may_be_cut_short) {
  run_mark_step(&run);
  forward(3);
  backward(3);
  run_mark_step(&run);
  forward(2);
  facts = run_facts(&run);
  cr_assert_eq(facts.steps_count, 2);
  cr_expect(facts.steps[0].complete && !facts.steps[1].complete);
  cr_expect_eq(facts.steps[1].saved_bytes, 2 * PIECE);
  cr_expect_eq(facts.saved_step, 0);
}

/* ---- marks of phases ------------------------------------------------------------------------------------------------ */

Test(steps_marks, a_forward_phase_begins_a_step_and_outside_ends_it) {
  for (int i = 0; i < 2; i++) {
    run_mark_phase(&run, TRACE_PHASE_FORWARD, true); /* at 190, 410 */
    run_small(&run, 1, 1);
    saves(2);
    run_mark_phase(&run, TRACE_PHASE_FORWARD, false);
    backward(2); /* from 240 to 270 */
    update();    /* from 280 to 300 */
    for (int k = 0; k < 10; k++) {
      run_small(&run, 1, 1);
    }
  }
  expect_steps(2, 2 * PIECE);
  cr_expect_eq(facts.steps[0].begin_ns, 200);
  cr_expect_eq(facts.steps[0].end_ns, facts.steps[0].begin_ns + 110);
  cr_expect_eq(facts.steps[1].begin_ns, facts.steps[0].end_ns + 110);
}

Test(steps_marks, the_peak_is_in_the_phase_that_was_marked) {
  run_mark_step(&run);
  forward(2);
  backward(2);
  run_mark_phase(&run, TRACE_PHASE_UPDATE, true);
  run_alloc(&run, UINT64_C(0x50000000), 1000, stack);
  run_free(&run, UINT64_C(0x50000000), stack, false);
  run_mark_phase(&run, TRACE_PHASE_UPDATE, false);
  expect_steps(1, 2 * PIECE);
  cr_expect_eq(facts.peak.step, 0);
  cr_expect_eq(facts.peak.phase, PHASE_UPDATE);
}

/* ---- filled anew ---------------------------------------------------------------------------------------------------- */

/* Forward passes that no backward follows, marked as such or not: they save for no step, and the next one begins behind
 * them. */
Test(steps_marks, evaluations_save_for_no_step) {
  for (int i = 0; i < 2; i++) {
    forward(3);
    backward(3);
    update();
    forward(3);
    forward(3);
    run_small(&run, 1, 1);
  }
  forward(3);
  backward(3);
  facts = run_facts(&run);
  cr_assert_eq(facts.steps_count, 3);
  for (size_t i = 0; i < 3; i++) {
    cr_expect_eq(facts.steps[i].saved_bytes, 3 * PIECE, "step %zu", i);
  }
}

Test(steps_marks, nothing_is_saved_outside) {
  run_mark_step(&run);
  forward(2);
  backward(2);
  update();
  saves(5); /* outside: of no step */
  releases(5);
  run_mark_step(&run);
  forward(2);
  backward(2);
  expect_steps(2, 2 * PIECE);
}
