/* A training loop written by hand, each of whose blocks is of a known category. Sizes tell the blocks apart: each is a power
 * of two, so that a sum says what it consists of. */
#include "analyzers/analyze.h"

#include "tests/analyzers/run_builder.h"

#include <criterion/criterion.h>

#define AT(n) (0x100000000u + (uint64_t)(n)*0x10000000u) /* the n-th block's address */
#define IN(place) (1u << (place))

enum {
  W = 1 << 13,         /* the weight, and what is of its size: gradient, states */
  X = 1 << 15,         /* a batch that is saved */
  TARGET = 1 << 16,    /* one that is not */
  H = 1 << 17,         /* saved */
  LOGITS = 1 << 18,    /* kept by the program to the middle of the next step */
  WORKSPACE = 1 << 19, /* of a library, made in the first backward pass */
  FACTOR = 1 << 20,    /* state of another size */
  COPY = 1 << 21,      /* computed of the batch */
  BUCKET = 1 << 22,    /* of gradients, by DistributedDataParallel */
  SPIKE = 1 << 24      /* a temporary, that makes the peak */
};

enum {
  AT_W,
  AT_X,
  AT_TARGET = AT_X + 2,
  AT_H = AT_TARGET + 2,
  AT_LOGITS,
  AT_GRADIENT = AT_LOGITS + 2,
  AT_WORKSPACE,
  AT_STATE,
  AT_STATE2,
  AT_FACTOR,
  AT_COPY,
  AT_BUCKET,
  AT_SPIKE
};

struct loop {
  struct run_builder run;
  uint32_t setup, copy, loader, save, compute, spike, backward, library, update;
  unsigned step, spike_step;
  enum phase spike_phase;
  bool keeps_gradient, copies, enters;
};

static void loop_init(struct loop *loop, unsigned spike_step, enum phase spike_phase) {
  *loop = (struct loop){.spike_step = spike_step, .spike_phase = spike_phase};
  struct run_builder *run = &loop->run;
  run_init(run);
  loop->setup = run_stack_within(run, IN(RUN_TENSOR), 1);
  loop->loader = run_stack_within(run, IN(RUN_TENSOR), 2);
  loop->compute = run_stack_in_op(run, RUN_ADDMM, 2, true);
  loop->save = run_stack_in_op(run, RUN_ADDMM, 2, false);
  loop->backward = run_stack_within(run, IN(RUN_TENSOR) | IN(RUN_ENGINE), 3);
  loop->library = run_stack_within(run, IN(RUN_ENGINE), 3);
  loop->update = run_stack_within(run, IN(RUN_TENSOR) | IN(RUN_ZEROS_LIKE), 4);
  loop->spike = run_stack_within(run, IN(RUN_TENSOR), 5);
  run_alloc(run, AT(AT_W), W, loop->setup);
}

static void spike(struct loop *loop, enum phase phase) {
  if (loop->step == loop->spike_step && phase == loop->spike_phase) {
    run_alloc(&loop->run, AT(AT_SPIKE), SPIKE, loop->spike);
    run_free(&loop->run, AT(AT_SPIKE), loop->spike, false);
  }
}

static void loop_update(struct loop *loop) {
  struct run_builder *run = &loop->run;
  if (loop->step == 0) {
    run_alloc(run, AT(AT_STATE), W, loop->update);
    run_alloc(run, AT(AT_STATE2), W, loop->update);
    run_alloc(run, AT(AT_FACTOR), FACTOR, loop->update);
  }
  spike(loop, PHASE_UPDATE);
  if (!loop->keeps_gradient) {
    run_free(run, AT(AT_GRADIENT), loop->setup, false);
  }
}

static void loop_step(struct loop *loop) {
  struct run_builder *run = &loop->run;
  const unsigned odd = loop->step % 2, even = !odd;
  run_alloc(run, AT(AT_X + odd), X, loop->loader);
  run_alloc(run, AT(AT_TARGET + odd), TARGET, loop->loader);
  if (loop->step > 0) {
    run_free(run, AT(AT_X + even), loop->setup, false);
    run_free(run, AT(AT_TARGET + even), loop->setup, false);
  }
  if (loop->enters && loop->step == 0) { /* where a loop keeps its loss they do not enter again */
    run_resident(run, AT(AT_W), TRACE_ROLE_PARAMETER, false);
  }
  if (loop->copies) {
    run_alloc(run, AT(AT_COPY), COPY, loop->copy);
  }
  uint64_t copy = loop->copies ? run_save_tensor(run, 0, AT(AT_COPY), COPY, loop->save) : 0;
  uint64_t w = run_save_tensor(run, 0, AT(AT_W), W, loop->save),
           x = run_save_tensor(run, 0, AT(AT_X + odd), X, loop->save);
  run_alloc(run, AT(AT_H), H, loop->compute);
  uint64_t h = run_save_tensor(run, 0, AT(AT_H), H, loop->save);
  run_alloc(run, AT(AT_LOGITS + odd), LOGITS, loop->compute);
  if (loop->step > 0) {
    run_free(run, AT(AT_LOGITS + even), loop->setup, false);
  }
  spike(loop, PHASE_FORWARD);
  run_resident(run, AT(AT_W), TRACE_ROLE_PARAMETER, true);
  run_backward(run, true);
  if (loop->step == 0 || !loop->keeps_gradient) {
    run_alloc(run, AT(AT_GRADIENT), W, loop->backward);
  }
  if (loop->step == 0) {
    run_alloc(run, AT(AT_WORKSPACE), WORKSPACE, loop->library);
  }
  run_release(run, h, run_node_type(RUN_ADDMM));
  spike(loop, PHASE_BACKWARD);
  run_free(run, AT(AT_H), loop->backward, true);
  run_release(run, w, run_node_type(RUN_ADDMM));
  run_release(run, x, run_node_type(RUN_ADDMM));
  if (loop->copies) {
    run_release(run, copy, run_node_type(RUN_ADDMM));
    run_free(run, AT(AT_COPY), loop->backward, true);
  }
  run_backward(run, false);
  loop_update(loop);
  loop->step++;
}

static struct facts loop_facts(struct loop *loop, unsigned steps) {
  while (loop->step < steps) {
    loop_step(loop);
  }
  struct facts facts = run_facts(&loop->run);
  run_fini(&loop->run);
  return facts;
}

static void sites_say_the_same(const struct facts *facts) {
  uint64_t bytes[CATEGORY_COUNT] = {[CATEGORY_SMALL] = facts->categories[CATEGORY_SMALL]};
  for (size_t i = 0; i < facts->sites_count; i++) {
    bytes[facts->sites[i].category] += facts->sites[i].bytes;
  }
  for (int i = 0; i < CATEGORY_COUNT; i++) {
    cr_expect_eq(bytes[i], facts->categories[i], "sites have %lu bytes of %s", (unsigned long)bytes[i],
                 category_names[i]);
  }
}

static void expect_site(const struct facts *facts, enum category category, uint64_t bytes, uint64_t blocks) {
  size_t found = 0;
  for (size_t i = 0; i < facts->sites_count; i++) {
    const struct facts_site *site = &facts->sites[i];
    found += site->category == category && site->bytes == bytes && site->blocks == blocks;
  }
  cr_expect_eq(found, 1, "%s: %zu sites of %lu bytes", category_names[category], found, (unsigned long)bytes);
}

static void expect(struct facts *facts, const uint64_t wanted[CATEGORY_COUNT]) {
  uint64_t sum = 0;
  sites_say_the_same(facts);
  for (int i = 0; i < CATEGORY_COUNT; i++) {
    cr_expect_eq(facts->categories[i], wanted[i], "%s: 0x%lx instead of 0x%lx", category_names[i],
                 (unsigned long)facts->categories[i], (unsigned long)wanted[i]);
    sum += wanted[i];
  }
  cr_expect_eq(facts->peak.bytes, sum);
  facts_fini(facts);
}

Test(categories, in_a_forward_pass) {
  struct loop loop;
  loop_init(&loop, 2, PHASE_FORWARD);
  struct facts facts = loop_facts(&loop, 5);
  expect(&facts, (uint64_t[CATEGORY_COUNT]){[CATEGORY_PARAMETER] = W,
                                            [CATEGORY_OPTIMIZER_STATE] = 2 * W + FACTOR,
                                            [CATEGORY_INPUT] = X + TARGET,
                                            [CATEGORY_SAVED_ACTIVATION] = H,
                                            [CATEGORY_TEMPORARY] = SPIKE,
                                            [CATEGORY_OTHER] = LOGITS + WORKSPACE});
}

Test(categories, of_blocks_of_one_stack) {
  struct loop loop;
  loop_init(&loop, 2, PHASE_FORWARD);
  struct facts facts = loop_facts(&loop, 5);
  expect_site(&facts, CATEGORY_SAVED_ACTIVATION, H, 1);
  expect_site(&facts, CATEGORY_OTHER, LOGITS, 1);
  expect_site(&facts, CATEGORY_INPUT, X + TARGET, 2);
  expect_site(&facts, CATEGORY_TEMPORARY, SPIKE, 1);
  facts_fini(&facts);
}

Test(categories, in_a_backward_pass) {
  struct loop loop;
  loop_init(&loop, 2, PHASE_BACKWARD);
  struct facts facts = loop_facts(&loop, 5);
  expect(&facts, (uint64_t[CATEGORY_COUNT]){[CATEGORY_PARAMETER] = W,
                                            [CATEGORY_GRADIENT] = W,
                                            [CATEGORY_OPTIMIZER_STATE] = 2 * W + FACTOR,
                                            [CATEGORY_INPUT] = X + TARGET,
                                            [CATEGORY_TEMPORARY] = SPIKE + H, /* which nobody holds any more */
                                            [CATEGORY_OTHER] = LOGITS + WORKSPACE});
}

Test(categories, in_the_first_update) {
  struct loop loop;
  loop_init(&loop, 0, PHASE_UPDATE);
  struct facts facts = loop_facts(&loop, 5);
  expect(&facts, (uint64_t[CATEGORY_COUNT]){[CATEGORY_PARAMETER] = W,
                                            [CATEGORY_GRADIENT] = W,
                                            [CATEGORY_OPTIMIZER_STATE] = 2 * W + FACTOR,
                                            [CATEGORY_INPUT] = X + TARGET,
                                            [CATEGORY_TEMPORARY] = SPIKE,
                                            [CATEGORY_OTHER] = LOGITS + WORKSPACE});
}

Test(categories, gradients_that_are_kept_over_the_forward_pass) {
  struct loop loop;
  loop_init(&loop, 3, PHASE_FORWARD);
  loop.keeps_gradient = true;
  struct facts facts = loop_facts(&loop, 5);
  expect(&facts, (uint64_t[CATEGORY_COUNT]){[CATEGORY_PARAMETER] = W,
                                            [CATEGORY_GRADIENT] = W,
                                            [CATEGORY_OPTIMIZER_STATE] = 2 * W + FACTOR,
                                            [CATEGORY_INPUT] = X + TARGET,
                                            [CATEGORY_SAVED_ACTIVATION] = H,
                                            [CATEGORY_TEMPORARY] = SPIKE,
                                            [CATEGORY_OTHER] = LOGITS + WORKSPACE});
}

/* Two steps say little: the batch is loaded at the same place before each of them, the state is made once. */
Test(categories, of_two_steps) {
  struct loop loop;
  loop_init(&loop, 1, PHASE_FORWARD);
  struct facts facts = loop_facts(&loop, 2);
  cr_expect_eq(facts.categories[CATEGORY_OPTIMIZER_STATE], 2 * W + FACTOR);
  cr_expect_eq(facts.categories[CATEGORY_INPUT], X + TARGET);
  facts_fini(&facts);
}

/* What lives when the interpreter cleans up lived to the end, though it is freed in what counts as the last step. */
Test(categories, what_is_freed_at_the_end_was_kept) {
  struct loop loop;
  loop_init(&loop, 0, PHASE_UPDATE);
  loop_step(&loop);
  uint32_t teardown = run_stack_within(&loop.run, IN(RUN_TEARDOWN), 6);
  run_free(&loop.run, AT(AT_STATE), teardown, false);
  run_free(&loop.run, AT(AT_STATE2), teardown, false);
  struct facts facts = loop_facts(&loop, 1);
  cr_expect_eq(facts.categories[CATEGORY_OPTIMIZER_STATE], 2 * W);
  facts_fini(&facts);
}

/* Made of the batch before the step's first save, which saves it. */
static void expect_computed_copy(enum run_place place) {
  struct loop loop;
  loop_init(&loop, 1, PHASE_FORWARD);
  loop.copies = true;
  loop.copy = run_stack_within(&loop.run, IN(RUN_TENSOR) | IN(place), 2);
  struct facts facts = loop_facts(&loop, 3);
  cr_expect_eq(facts.categories[CATEGORY_INPUT], X + TARGET);
  cr_expect_eq(facts.categories[CATEGORY_SAVED_ACTIVATION], H + COPY);
  facts_fini(&facts);
}

Test(categories, what_autocast_makes_is_no_input) {
  expect_computed_copy(RUN_AUTOCAST);
}

Test(categories, what_a_custom_function_makes_is_no_input) {
  expect_computed_copy(RUN_CUSTOM_FUNCTION);
}

/* By an op that saves nothing: if no parameter has part in it, it may as well be the loader's. */
static uint64_t input_with_sum(bool parameter_enters, bool in_buckets) {
  struct loop loop;
  loop_init(&loop, 1, PHASE_FORWARD);
  if (in_buckets) {
    run_alloc(&loop.run, AT(AT_BUCKET), BUCKET, run_stack_within(&loop.run, IN(RUN_TENSOR) | IN(RUN_REDUCER), 6));
  }
  loop.copies = true;
  loop.copy = run_stack_in_op(&loop.run, RUN_MUL, 2, true);
  loop.enters = parameter_enters;
  struct facts facts = loop_facts(&loop, 3);
  uint64_t input = facts.categories[CATEGORY_INPUT];
  cr_expect_eq(input + facts.categories[CATEGORY_SAVED_ACTIVATION], X + TARGET + H + COPY);
  facts_fini(&facts);
  return input;
}

Test(categories, what_is_computed_once_a_parameter_entered_the_graph_is_no_input) {
  cr_expect_eq(input_with_sum(true, false), X + TARGET);
  cr_expect_eq(input_with_sum(false, false), X + TARGET + COPY);
}

Test(categories, parameters_that_were_put_in_buckets_enter_no_graph) {
  cr_expect_eq(input_with_sum(true, true), X + TARGET + COPY);
}

Test(categories, without_steps_nothing_is_claimed) {
  struct run_builder run;
  run_init(&run);
  run_small(&run, 700, 0);
  run_alloc(&run, AT(1), W, run_stack_within(&run, IN(RUN_TENSOR) | IN(RUN_ZEROS_LIKE), 1));
  run_alloc(&run, AT(2), X, run_stack_within(&run, IN(RUN_TENSOR), 2));
  struct facts facts = run_facts(&run);
  run_fini(&run);
  expect(&facts, (uint64_t[CATEGORY_COUNT]){[CATEGORY_SMALL] = 700, [CATEGORY_OTHER] = W + X});
}
