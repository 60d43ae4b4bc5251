/* When a forward op has returned, as the stacks of its thread's later events tell: the begin of a replaceable block. */
#include "tests/analyzers/run_builder.h"

#include <criterion/criterion.h>

#define AT(n) (0x100000000u + (uint64_t)(n)*0x100000u)
enum { KIB = 1024, DEPTH_LIMIT = 64 /* of the builder's traces */ };

struct scene {
  struct run_builder run;
  uint32_t outside, save, kernel;
  uint64_t tensor;
};

/* Block 0 is saved by op; what follows is the test's. */
static void begin(struct scene *scene, enum run_op op) {
  run_init(&scene->run);
  scene->outside = run_stack_outside(&scene->run, 1);
  scene->save = run_stack_in_op(&scene->run, op, 2, false);
  scene->kernel = run_stack_in_op(&scene->run, op, 2, true);
  run_alloc(&scene->run, AT(0), 8 * KIB, scene->outside);
  scene->tensor = run_save_tensor(&scene->run, 0, AT(0), 8 * KIB, scene->save);
}

static void end(struct scene *scene, enum run_op op) {
  run_backward(&scene->run, true);
  run_release(&scene->run, scene->tensor, run_node_type(op));
  run_free(&scene->run, AT(0), scene->outside, true);
  run_backward(&scene->run, false);
}

static void event(struct scene *scene, unsigned place, uint32_t stack) {
  run_alloc(&scene->run, AT(place), 4 * KIB, stack);
}

static void expect_begin(struct scene *scene, uint64_t expected) {
  struct facts facts = run_facts(&scene->run);
  cr_assert_eq(facts.replaceables_count, 1);
  cr_assert_eq(facts.replaceables[0].begin_event, expected, "%lu", (unsigned long)facts.replaceables[0].begin_event);
  facts_fini(&facts);
  run_fini(&scene->run);
}

Test(op_watch, the_first_event_outside_the_op) {
  struct scene scene;
  begin(&scene, RUN_GELU);
  event(&scene, 1, scene.kernel);
  event(&scene, 2, scene.kernel);
  event(&scene, 3, scene.outside); /* the fifth event */
  event(&scene, 4, scene.outside);
  end(&scene, RUN_GELU);
  expect_begin(&scene, 5);
}

Test(op_watch, the_same_frame_at_another_depth_is_another_call) {
  struct scene scene;
  begin(&scene, RUN_GELU);
  event(&scene, 1, run_stack_in_op(&scene.run, RUN_GELU, 9, true));
  end(&scene, RUN_GELU);
  expect_begin(&scene, 3);
}

Test(op_watch, events_without_a_stack_and_of_other_threads_say_nothing) {
  struct scene scene;
  begin(&scene, RUN_GELU);
  event(&scene, 1, 0);
  run_small(&scene.run, 10, 0);
  scene.run.stream = 1;
  event(&scene, 2, scene.outside);
  scene.run.stream = 0;
  event(&scene, 3, scene.outside);
  end(&scene, RUN_GELU);
  expect_begin(&scene, 6);
}

Test(op_watch, backward_ends_what_no_event_did) {
  struct scene scene;
  begin(&scene, RUN_GELU);
  event(&scene, 1, scene.kernel);
  end(&scene, RUN_GELU);
  expect_begin(&scene, 4);
}

Test(op_watch, the_same_place_saving_again_is_the_next_call) {
  struct scene scene;
  begin(&scene, RUN_GELU);
  event(&scene, 1, scene.kernel);
  uint64_t other = run_save_tensor(&scene.run, 0, AT(1), 4 * KIB, scene.save); /* y = gelu(gelu(x)) in a loop */
  event(&scene, 2, scene.kernel);
  run_release(&scene.run, other, 0); /* this one is let go before it returns: not a candidate */
  end(&scene, RUN_GELU);
  expect_begin(&scene, 4);
}

Test(op_watch, a_result_ends_with_the_op_that_takes_it) {
  struct scene scene;
  begin(&scene, RUN_RELU);
  event(&scene, 1, scene.outside);                                    /* relu has returned */
  event(&scene, 2, run_stack_in_op(&scene.run, RUN_LINEAR, 2, true)); /* the next op takes its result */
  event(&scene, 3, run_stack_in_op(&scene.run, RUN_LINEAR, 2, true));
  event(&scene, 4, scene.outside); /* and has returned: the sixth event */
  end(&scene, RUN_RELU);
  expect_begin(&scene, 6);
}

Test(op_watch, stacks_that_were_cut_are_searched_through) {
  struct scene scene;
  run_init(&scene.run);
  uint64_t frames[DEPTH_LIMIT];
  for (unsigned i = 0; i < DEPTH_LIMIT; i++) {
    frames[i] = run_program_address(i % 20);
  }
  scene.outside = run_stack_outside(&scene.run, 1);
  frames[1] = run_op_address(RUN_GELU);
  scene.save = run_stack(&scene.run, frames, DEPTH_LIMIT);
  frames[1] = frames[2];
  frames[7] = run_op_address(RUN_GELU); /* six frames deeper: the six outermost are gone */
  scene.kernel = run_stack(&scene.run, frames, DEPTH_LIMIT);
  frames[7] = frames[2];
  uint32_t after = run_stack(&scene.run, frames, DEPTH_LIMIT);
  run_alloc(&scene.run, AT(0), 8 * KIB, scene.outside);
  scene.tensor = run_save_tensor(&scene.run, 0, AT(0), 8 * KIB, scene.save);
  event(&scene, 1, scene.kernel);
  event(&scene, 2, after);
  end(&scene, RUN_GELU);
  expect_begin(&scene, 4);
}
