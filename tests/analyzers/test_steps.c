/* Which saves and backward passes make a step, and where its phases begin and end. */
#include "tests/analyzers/run_builder.h"

#include <criterion/criterion.h>

#define AT(n) (0x100000000u + (uint64_t)(n)*0x100000u)
enum { KIB = 1024, SAVED = 16 * KIB, NONE = 0 };

struct loop {
  struct run_builder run;
  uint32_t outside, save, recompute;
  uint64_t tensor[8];
};

static void loop_init(struct loop *loop) {
  run_init(&loop->run);
  loop->outside = run_stack_outside(&loop->run, 1);
  loop->save = run_stack_in_op(&loop->run, RUN_MUL, 2, false);
  loop->recompute = run_stack_in_op(&loop->run, RUN_GELU, 6, false);
}

/* A forward pass that saves `count` blocks of SAVED bytes; block i is at AT(i). */
static void forward(struct loop *loop, int count) {
  for (int i = 0; i < count; i++) {
    run_alloc(&loop->run, AT(i), SAVED, loop->outside);
    loop->tensor[i] = run_save_tensor(&loop->run, 0, AT(i), SAVED, loop->save);
  }
}

static void let_go(struct loop *loop, int count) {
  for (int i = count - 1; i >= 0; i--) {
    run_release(&loop->run, loop->tensor[i], run_node_type(RUN_MUL));
    run_free(&loop->run, AT(i), NONE, true);
  }
}

static void backward(struct loop *loop, int count) {
  run_backward(&loop->run, true);
  let_go(loop, count);
  run_backward(&loop->run, false);
}

Test(steps, phases_of_plain_steps) {
  struct loop loop;
  loop_init(&loop);
  forward(&loop, 2);  /* events at 110..140: the first save at 120 */
  backward(&loop, 2); /* 150..200 */
  loop.run.time_ns = 1000;
  forward(&loop, 1);  /* 1010, 1020 */
  backward(&loop, 1); /* 1030..1060 */
  loop.run.time_ns = 5000;
  run_small(&loop.run, 1, 0);
  struct facts facts = run_facts(&loop.run);
  cr_assert_eq(facts.steps_count, 2);
  const struct facts_step *first = &facts.steps[0], *second = &facts.steps[1];
  cr_assert(first->begin_ns == 120 && first->backward_ns == 150 && first->backward_end_ns == 200);
  cr_assert_eq(first->end_ns, 1020);
  cr_assert(second->begin_ns == 1020 && second->backward_ns == 1030 && second->backward_end_ns == 1060);
  cr_assert_eq(second->end_ns, 1060 + 820, "the last update lasts as long as the median of the others");
  cr_assert(first->complete && second->complete);
  cr_assert(first->saved_bytes == 2 * SAVED && second->saved_bytes == SAVED);
  cr_assert(first->saved_blocks == 2 && second->saved_blocks == 1);
  cr_assert_eq(facts.saved_step, 0);
  facts_fini(&facts);
  run_fini(&loop.run);
}

Test(steps, a_single_step_lasts_to_the_end) {
  struct loop loop;
  loop_init(&loop);
  forward(&loop, 1);
  backward(&loop, 1);
  loop.run.time_ns = 5000;
  run_small(&loop.run, 1, 0);
  struct facts facts = run_facts(&loop.run);
  cr_assert_eq(facts.steps_count, 1);
  cr_assert_eq(facts.steps[0].end_ns, 5010);
  facts_fini(&facts);
  run_fini(&loop.run);
}

Test(steps, what_comes_after_the_last_update_is_outside) {
  struct loop loop;
  loop_init(&loop);
  for (int i = 0; i < 3; i++) {
    forward(&loop, 1);
    backward(&loop, 1);
  }
  loop.run.time_ns = 100000;
  run_alloc(&loop.run, AT(20), 1000 * KIB, loop.outside);
  struct facts facts = run_facts(&loop.run);
  cr_assert_eq(facts.peak.bytes, 1000 * KIB);
  cr_assert_eq(facts.peak.step, -1);
  cr_assert_eq(facts.peak.phase, PHASE_OUTSIDE);
  cr_assert_eq(facts.steps[2].peak_bytes, SAVED, "the peak long after it is not the last step's");
  facts_fini(&facts);
  run_fini(&loop.run);
}

Test(steps, the_peak_is_placed_in_update_and_backward) {
  for (int where = 0; where < 2; where++) {
    struct loop loop;
    loop_init(&loop);
    forward(&loop, 1);
    run_backward(&loop.run, true);
    if (where == 0) {
      run_alloc(&loop.run, AT(9), 50 * KIB, loop.outside);
      run_free(&loop.run, AT(9), NONE, false);
    }
    let_go(&loop, 1);
    run_backward(&loop.run, false);
    run_alloc(&loop.run, AT(10), 40 * KIB, loop.outside);
    struct facts facts = run_facts(&loop.run);
    cr_assert_eq(facts.peak.step, 0);
    cr_assert_eq(facts.peak.phase, where == 0 ? PHASE_BACKWARD : PHASE_UPDATE);
    facts_fini(&facts);
    run_fini(&loop.run);
  }
}

Test(steps, nested_backward_passes_are_one) {
  struct loop loop;
  loop_init(&loop);
  forward(&loop, 2);
  run_backward(&loop.run, true);
  run_backward(&loop.run, true); /* a checkpoint's backward within */
  run_backward(&loop.run, false);
  let_go(&loop, 2);
  run_backward(&loop.run, false);
  struct facts facts = run_facts(&loop.run);
  cr_assert_eq(facts.steps_count, 1);
  cr_assert_eq(facts.steps[0].backward_end_ns, loop.run.time_ns);
  facts_fini(&facts);
  run_fini(&loop.run);
}

Test(steps, recomputation_within_backward_belongs_to_its_step) {
  struct loop loop;
  loop_init(&loop);
  forward(&loop, 1);
  run_backward(&loop.run, true);
  for (int layer = 0; layer < 3; layer++) { /* each layer is recomputed and let go in turn */
    run_alloc(&loop.run, AT(10), 4 * SAVED, loop.outside);
    uint64_t tensor = run_save_tensor(&loop.run, 0, AT(10), 4 * SAVED, loop.recompute);
    run_backward(&loop.run, true);
    run_release(&loop.run, tensor, run_node_type(RUN_GELU));
    run_free(&loop.run, AT(10), NONE, true);
    run_backward(&loop.run, false);
  }
  let_go(&loop, 1);
  run_backward(&loop.run, false);
  struct facts facts = run_facts(&loop.run);
  cr_assert_eq(facts.steps_count, 1);
  cr_assert_eq(facts.saved_bytes, 5 * SAVED, "the most at one moment, not the sum");
  cr_assert_eq(facts.saved_blocks, 2);
  cr_assert_eq(facts.saved_count, 2);
  facts_fini(&facts);
  run_fini(&loop.run);
}

Test(steps, an_evaluation_is_no_step) {
  struct loop loop;
  loop_init(&loop);
  forward(&loop, 4);
  let_go(&loop, 4); /* the graph is dropped */
  forward(&loop, 1);
  uint64_t begin = loop.run.time_ns;
  backward(&loop, 1);
  forward(&loop, 3);
  let_go(&loop, 3);
  struct facts facts = run_facts(&loop.run);
  cr_assert_eq(facts.steps_count, 1);
  cr_assert_eq(facts.steps[0].begin_ns, begin);
  cr_assert_eq(facts.saved_bytes, SAVED);
  facts_fini(&facts);
  run_fini(&loop.run);
}

Test(steps, an_evaluation_between_steps_saves_for_neither) {
  struct loop loop;
  loop_init(&loop);
  forward(&loop, 1);
  backward(&loop, 1);
  forward(&loop, 5);
  let_go(&loop, 5);
  forward(&loop, 2);
  backward(&loop, 2);
  struct facts facts = run_facts(&loop.run);
  cr_assert_eq(facts.steps_count, 2);
  cr_assert_eq(facts.steps[0].saved_bytes, SAVED);
  cr_assert_eq(facts.steps[1].saved_bytes, 2 * SAVED);
  facts_fini(&facts);
  run_fini(&loop.run);
}

Test(steps, accumulation_is_a_step_for_each_backward) {
  struct loop loop;
  loop_init(&loop);
  for (int i = 1; i <= 4; i++) {
    forward(&loop, i);
    backward(&loop, i);
  }
  struct facts facts = run_facts(&loop.run);
  cr_assert_eq(facts.steps_count, 4);
  for (int i = 0; i < 4; i++) {
    cr_assert_eq(facts.steps[i].saved_bytes, (uint64_t)(i + 1) * SAVED);
  }
  cr_assert_eq(facts.saved_step, 3);
  facts_fini(&facts);
  run_fini(&loop.run);
}

Test(steps, a_second_backward_over_the_same_graph_goes_on) {
  struct loop loop;
  loop_init(&loop);
  forward(&loop, 2);
  run_backward(&loop.run, true); /* retain_graph: nothing is let go */
  run_backward(&loop.run, false);
  run_small(&loop.run, 1, 0);
  backward(&loop, 2);
  struct facts facts = run_facts(&loop.run);
  cr_assert_eq(facts.steps_count, 1);
  cr_assert_eq(facts.steps[0].backward_end_ns, loop.run.time_ns);
  cr_assert_eq(facts.saved_bytes, 2 * SAVED);
  facts_fini(&facts);
  run_fini(&loop.run);
}

Test(steps, a_forward_that_keeps_nothing_is_told_by_its_leaves) {
  struct loop loop;
  loop_init(&loop);
  run_alloc(&loop.run, AT(0), SAVED, loop.outside);
  for (int i = 0; i < 3; i++) { /* all of it is checkpointed by hooks: no save is seen */
    run_resident(&loop.run, AT(0), TRACE_ROLE_PARAMETER, false);
    run_small(&loop.run, 1, 0);
    run_backward(&loop.run, true);
    run_backward(&loop.run, false);
  }
  struct facts facts = run_facts(&loop.run);
  cr_assert_eq(facts.steps_count, 3);
  cr_assert(facts.steps[1].begin_ns == facts.steps[0].end_ns && facts.steps[1].begin_ns == 160);
  cr_assert_eq(facts.saved_bytes, 0);
  facts_fini(&facts);
  run_fini(&loop.run);
}

Test(steps, what_an_earlier_step_left_counts_with_the_next) {
  struct loop loop;
  loop_init(&loop);
  forward(&loop, 2);
  run_backward(&loop.run, true);
  run_release(&loop.run, loop.tensor[1], run_node_type(RUN_MUL)); /* the other block stays held */
  run_free(&loop.run, AT(1), NONE, true);
  run_backward(&loop.run, false);
  run_alloc(&loop.run, AT(5), 3 * SAVED, loop.outside);
  run_save_tensor(&loop.run, 0, AT(5), 3 * SAVED, loop.save);
  run_backward(&loop.run, true);
  run_free(&loop.run, AT(5), NONE, false);
  run_backward(&loop.run, false);
  struct facts facts = run_facts(&loop.run);
  cr_assert_eq(facts.steps_count, 2);
  cr_assert_eq(facts.steps[0].saved_bytes, 2 * SAVED);
  cr_assert_eq(facts.steps[1].saved_bytes, 4 * SAVED);
  cr_assert_eq(facts.saved_count, 2);
  facts_fini(&facts);
  run_fini(&loop.run);
}

Test(steps, runs_that_were_cut_short) {
  for (int where = 0; where < 2; where++) {
    struct loop loop;
    loop_init(&loop);
    forward(&loop, 1);
    backward(&loop, 1);
    forward(&loop, 3);
    if (where == 1) {
      run_backward(&loop.run, true);
    }
    run_small(&loop.run, 1, 0);
    struct facts facts = run_facts(&loop.run);
    cr_assert_eq(facts.steps_count, 2);
    cr_assert_not(facts.steps[1].complete);
    cr_assert_eq(facts.steps[1].end_ns, loop.run.time_ns);
    cr_assert_eq(facts.steps[1].backward_ns, where == 1 ? loop.run.time_ns - 10 : loop.run.time_ns);
    cr_assert_eq(facts.steps[1].saved_bytes, 3 * SAVED);
    cr_assert_eq(facts.saved_step, 0, "complete steps only");
    cr_assert_eq(facts.peak.step, 1);
    facts_fini(&facts);
    run_fini(&loop.run);
  }
}
