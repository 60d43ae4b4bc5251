/* Runs written by hand, whose peaks, categories, holders and verdicts are known. */
#include "analyzers/analyze.h"

#include "tests/analyzers/run_builder.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define AT(n) (0x100000000u + (uint64_t)(n)*0x100000u) /* the n-th block's address */
enum { KIB = 1024 };

static const struct facts_op *find_op(const struct facts *facts, const char *op) {
  for (size_t i = 0; i < facts->by_op_count; i++) {
    if (strcmp(facts->by_op[i].op, op) == 0) {
      return &facts->by_op[i];
    }
  }
  cr_assert_fail("no op %s", op);
  return NULL;
}

static const struct facts_saved_block *find_saved(const struct facts *facts, uint64_t bytes) {
  for (size_t i = 0; i < facts->saved_count; i++) {
    if (facts->saved[i].bytes == bytes) {
      return &facts->saved[i];
    }
  }
  cr_assert_fail("no saved block of %lu bytes", (unsigned long)bytes);
  return NULL;
}

static uint64_t sum_of(const uint64_t *categories) {
  uint64_t sum = 0;
  for (int i = 0; i < CATEGORY_COUNT; i++) {
    sum += categories[i];
  }
  return sum;
}

static uint64_t categories_sum(const struct facts *facts) {
  return sum_of(facts->categories);
}

static void expect_samples_to_sum(const struct facts *facts) {
  for (size_t i = 0; i < facts->timeline_count; i++) {
    cr_assert_eq(sum_of(facts->timeline[i].categories), facts->timeline[i].live_bytes, "sample %zu", i);
  }
}

/* ---- the heap ---------------------------------------------------------------------------------------------------- */

Test(analyze, a_peak_that_is_known) {
  struct run_builder run;
  run_init(&run);
  uint32_t a = run_stack_outside(&run, 1), b = run_stack_outside(&run, 2);
  run_small(&run, 700, 0);                      /* live: 700 */
  run_alloc(&run, AT(1), 10 * KIB, a);          /* 10940 */
  run_alloc(&run, AT(2), 20 * KIB, b);          /* 31420 */
  run_free(&run, AT(1), 0, false);              /* 21180 */
  run_free(&run, AT(1), 0, false);              /* not live: nothing */
  run_alloc(&run, AT(1), 12 * KIB, b);          /* 33468, at the old address */
  run_alloc(&run, AT(1), 14 * KIB, a);          /* 35516: the free of the one before was not seen */
  run_small(&run, 100, 500);                    /* 35116 */
  run_realloc(&run, AT(2), AT(3), 10 * KIB, a); /* 14636, 24876 */
  struct facts facts = run_facts(&run);
  cr_assert_eq(facts.peak.bytes, 700 + 34 * KIB);
  cr_assert_eq(facts.peak.time_ns, 170);
  cr_assert_eq(facts.peak.step, -1);
  cr_assert_eq(facts.peak.phase, PHASE_OUTSIDE);
  cr_assert_eq(facts.categories[CATEGORY_SMALL], 700);
  cr_assert_eq(facts.categories[CATEGORY_OTHER], 34 * KIB);
  cr_assert_eq(facts.run.events, run.events);
  cr_assert_eq(facts.sites_count, 2);
  cr_assert(facts.sites[0].stack == b && facts.sites[0].bytes == 20 * KIB && facts.sites[0].blocks == 1);
  cr_assert(facts.sites[1].stack == a && facts.sites[1].bytes == 14 * KIB && facts.sites[1].blocks == 1);
  cr_assert_eq(facts.saved_step, -1);
  facts_fini(&facts);
  run_fini(&run);
}

Test(analyze, blocks_may_be_freed_by_another_thread) {
  struct run_builder run;
  run_init(&run);
  uint32_t a = run_stack_outside(&run, 1);
  run_alloc(&run, AT(1), 4 * KIB, a);
  run.stream = 1;
  run_alloc(&run, AT(2), 8 * KIB, a);
  run_free(&run, AT(1), 0, false);
  run.stream = 2;
  run_small(&run, 10, 40); /* what other threads have not summed up yet: below zero for a while */
  run_alloc(&run, AT(3), 2 * KIB, a);
  struct facts facts = run_facts(&run);
  cr_assert_eq(facts.peak.bytes, 12 * KIB);
  cr_assert_eq(facts.run.threads, 3);
  cr_assert_eq(categories_sum(&facts), facts.peak.bytes);
  facts_fini(&facts);
  run_fini(&run);
}

Test(analyze, run_figures_come_from_the_trace) {
  struct run_builder run;
  run_init(&run);
  run_small(&run, 1, 0);
  struct facts facts = run_facts(&run);
  cr_assert_str_eq(facts.run.command, "python3 train.py");
  cr_assert_str_eq(facts.run.evidence, "none");
  cr_assert_str_eq(facts.run.framework, "");
  cr_assert_eq(facts.run.pid, 42);
  cr_assert_eq(facts.run.min_size, 4096);
  cr_assert_eq(facts.run.start_unix_ns, 1700000000000000000u);
  cr_assert_not(facts.run.complete);
  facts_fini(&facts);
  run_fini(&run);
}

Test(analyze, a_missing_or_foreign_file_is_told_apart) {
  struct run_builder run;
  run_init(&run);
  struct facts facts;
  struct error err = {""};
  struct path path = path_join(run.folder, "foreign");
  cr_assert_eq(analyze_trace("/nonexistent/run", &facts, NULL, &err), ERROR_IO);
  cr_assert(*err.message && !facts.strings);
  file_write(path.text, "hello, I am no trace", 20);
  cr_assert_eq(analyze_load(path.text, &facts, NULL, &err), ERROR_INPUT);
  file_write(path.text, "SQLite format 3\0and nothing else", 32);
  cr_assert_eq(analyze_load(path.text, &facts, NULL, &err), ERROR_INPUT);
  cr_assert(*err.message);
  run_fini(&run);
}

/* ---- a small network: h = linear(x, w); g = gelu(h); y = linear(g, w2) ------------------------------------------- */

struct network {
  struct run_builder run;
  uint32_t outside, linear_kernel, linear_save, gelu_kernel, gelu_save;
  uint64_t w, x, h, g; /* tensors */
};

enum { W = 8 * KIB, X = 16 * KIB, H = 32 * KIB, G = 36 * KIB, Y = 20 * KIB };

static void network_init(struct network *net) {
  run_init(&net->run);
  net->outside = run_stack_outside(&net->run, 1);
  net->linear_kernel = run_stack_in_op(&net->run, RUN_ADDMM, 2, true);
  net->linear_save = run_stack_in_op(&net->run, RUN_ADDMM, 2, false);
  net->gelu_kernel = run_stack_in_op(&net->run, RUN_GELU, 2, true);
  net->gelu_save = run_stack_in_op(&net->run, RUN_GELU, 2, false);
  run_alloc(&net->run, AT(1), W, net->outside);
}

static void network_forward(struct network *net) {
  struct run_builder *run = &net->run;
  run_alloc(run, AT(2), X, net->outside);
  net->w = run_save_tensor(run, net->w, AT(1), W, net->linear_save);
  net->x = run_save_tensor(run, 0, AT(2), X, net->linear_save);
  run_alloc(run, AT(3), H, net->linear_kernel);
  net->h = run_save_tensor(run, 0, AT(3), H, net->gelu_save);
  run_alloc(run, AT(4), G, net->gelu_kernel);
  net->g = run_save_tensor(run, 0, AT(4), G, net->linear_save); /* gelu has returned */
  run_alloc(run, AT(5), Y, net->linear_kernel);
}

static void network_backward(struct network *net) {
  struct run_builder *run = &net->run;
  run_backward(run, true);
  run_resident(run, AT(1), TRACE_ROLE_PARAMETER, true);
  run_release(run, net->g, run_node_type(RUN_ADDMM));
  run_free(run, AT(4), 0, true);
  run_release(run, net->h, run_node_type(RUN_GELU));
  run_free(run, AT(3), 0, true);
  run_release(run, net->x, run_node_type(RUN_ADDMM));
  run_release(run, net->w, run_node_type(RUN_ADDMM));
  run_backward(run, false);
  run_free(run, AT(2), 0, false);
  run_free(run, AT(5), 0, false);
}

Test(analyze, saved_activations_of_a_step) {
  struct network net = {0};
  network_init(&net);
  network_forward(&net);
  network_backward(&net);
  struct facts facts = run_facts(&net.run);
  cr_assert_eq(facts.steps_count, 1);
  cr_assert_eq(facts.saved_step, 0);
  cr_assert_eq(facts.saved_bytes, X + H + G, "the weight is marked late, yet it is no activation");
  cr_assert_eq(facts.saved_blocks, 3);
  cr_assert_eq(facts.saved_count, 3);
  cr_assert_eq(facts.peak.bytes, W + X + H + G + Y);
  cr_assert_eq(facts.peak.step, 0);
  cr_assert_eq(facts.peak.phase, PHASE_FORWARD);
  cr_assert_eq(facts.categories[CATEGORY_INPUT], X, "it was there before the forward pass, which saves it");
  cr_assert_eq(facts.categories[CATEGORY_SAVED_ACTIVATION], H + G);
  cr_assert_eq(facts.categories[CATEGORY_PARAMETER], W, "marked after the peak");
  cr_assert_eq(facts.categories[CATEGORY_TEMPORARY], Y);
  cr_assert_str_eq(facts.run.evidence, "probe");
  const struct facts_saved_block *h = find_saved(&facts, H);
  cr_assert(h->eligible && h->holders_count == 1 && h->elements == H / 4);
  cr_assert_str_eq(h->op, "gelu");
  cr_assert_str_eq(h->op_allocated, "addmm");
  cr_assert_str_eq(h->dtype, "float32");
  cr_assert_str_eq(h->evidence, "probe");
  cr_assert(h->holders[0].save_ns == 160 && h->holders[0].release_ns == 240 && h->free_ns == 250);
  cr_assert_not(find_saved(&facts, X)->eligible);
  cr_assert_eq(find_op(&facts, "addmm")->bytes, X + G);
  cr_assert_eq(find_op(&facts, "gelu")->eligible_bytes, H);
  for (size_t i = 0; i < facts.timeline_count; i++) {
    cr_assert_leq(facts.timeline[i].saved_bytes, X + H + G, "the weight is taken back from the samples too");
  }
  facts_fini(&facts);
  run_fini(&net.run);
}

Test(analyze, projection_of_a_step) {
  struct network net = {0};
  network_init(&net);
  network_forward(&net);
  network_backward(&net);
  struct facts facts = run_facts(&net.run);
  /* h goes when gelu has returned, so W+X+G+Y and h's codes are left; W+X+H+G within gelu is less than that peak. */
  const uint64_t before = W + X + H + G, after = W + X + G + Y;
  for (unsigned bits = 1; bits <= 4; bits++) {
    const struct facts_projection *p = &facts.projections[bits - 1];
    uint64_t codes = H / 4 * bits / 8;
    cr_assert_eq(p->peak_bytes, after + codes > before ? after + codes : before);
    cr_assert_eq(p->saving_bytes, (int64_t)(facts.peak.bytes - p->peak_bytes));
    cr_assert_eq(p->eligible_bytes, H);
    cr_assert_eq(p->code_bytes, codes);
  }
  facts_fini(&facts);
  run_fini(&net.run);
}

Test(analyze, parameters_of_later_steps_are_known_as_such) {
  struct network net = {0};
  network_init(&net);
  for (int i = 0; i < 3; i++) {
    network_forward(&net);
    network_backward(&net);
  }
  struct facts facts = run_facts(&net.run);
  cr_assert_eq(facts.steps_count, 3);
  for (int i = 0; i < 3; i++) {
    cr_assert_eq(facts.steps[i].saved_bytes, X + H + G);
    cr_assert_eq(facts.steps[i].saved_blocks, 3);
    cr_assert_eq(facts.steps[i].peak_bytes, W + X + H + G + Y);
    cr_assert(facts.steps[i].complete);
  }
  cr_assert_eq(facts.saved_step, 0, "the first of equal ones");
  facts_fini(&facts);
  run_fini(&net.run);
}

Test(analyze, of_steps_that_save_the_same_the_one_of_the_peak_is_shown) {
  struct network net = {0};
  network_init(&net);
  for (int i = 0; i < 3; i++) {
    run_small(&net.run, i == 1 ? 4096 : 0, i == 2 ? 4096 : 0); /* in the second step there is more beside it */
    network_forward(&net);
    network_backward(&net);
  }
  struct facts facts = run_facts(&net.run);
  cr_assert(facts.steps[0].saved_bytes == facts.steps[1].saved_bytes &&
            facts.steps[1].saved_bytes == facts.steps[2].saved_bytes);
  cr_assert_eq(facts.peak.step, 1);
  cr_assert_eq(facts.saved_step, 1);
  cr_assert_eq(facts.saved_count, 3);
  facts_fini(&facts);
  run_fini(&net.run);
}

/* Two steps of: x = batch; y = op(w, x), where both collect gradients, as the marks of leaves tell. */
static struct facts leaves(struct run_builder *run, bool named, bool same_batch) {
  uint32_t outside = run_stack_outside(run, 1), save = run_stack_in_op(run, RUN_ADDMM, 2, false);
  run_alloc(run, AT(1), W, outside);
  for (unsigned step = 0; step < 2; step++) {
    uint64_t batch = AT(2 + (same_batch ? 0 : step));
    if (step == 0 || !same_batch) {
      run_alloc(run, batch, X, outside);
    }
    run_resident(run, AT(1), TRACE_ROLE_PARAMETER, false);
    run_resident(run, batch, TRACE_ROLE_PARAMETER, false);
    uint64_t w = run_save_tensor(run, 0, AT(1), W, save), x = run_save_tensor(run, 0, batch, X, save);
    if (named) {
      run_resident(run, AT(1), TRACE_ROLE_PARAMETER, true);
    }
    run_backward(run, true);
    run_release(run, w, run_node_type(RUN_ADDMM));
    run_release(run, x, run_node_type(RUN_ADDMM));
    run_backward(run, false);
    if (!same_batch) {
      run_free(run, batch, 0, false);
    }
  }
  return run_facts(run);
}

Test(analyze, leaves_are_parameters_where_no_module_names_its_own) {
  struct run_builder run;
  run_init(&run);
  struct facts facts = leaves(&run, false, false);
  cr_assert_eq(facts.steps[0].saved_bytes, 0);
  cr_assert_eq(facts.steps[1].saved_bytes, 0);
  cr_assert_eq(facts.categories[CATEGORY_PARAMETER], W + X);
  facts_fini(&facts);
  run_fini(&run);
}

Test(analyze, a_batch_that_collects_a_gradient_is_saved) {
  struct run_builder run;
  run_init(&run);
  struct facts facts = leaves(&run, true, false);
  cr_assert_eq(facts.steps[0].saved_bytes, X);
  cr_assert_eq(facts.steps[1].saved_bytes, X);
  cr_assert_eq(facts.categories[CATEGORY_PARAMETER], W);
  uint64_t most = 0;
  for (size_t i = 0; i < facts.timeline_count; i++) {
    most = facts.timeline[i].saved_bytes > most ? facts.timeline[i].saved_bytes : most;
  }
  cr_assert_eq(most, X);
  facts_fini(&facts);
  run_fini(&run);
}

Test(analyze, a_leaf_that_outlasts_its_step_is_a_parameter) {
  struct run_builder run;
  run_init(&run);
  struct facts facts = leaves(&run, true, true);
  cr_assert_eq(facts.steps[0].saved_bytes, 0);
  cr_assert_eq(facts.steps[1].saved_bytes, 0);
  cr_assert_eq(facts.categories[CATEGORY_PARAMETER], W + X);
  facts_fini(&facts);
  run_fini(&run);
}

/* ---- holders ----------------------------------------------------------------------------------------------------- */

struct sharing {
  struct run_builder run;
  uint32_t outside, gelu_save, mul_save, silu_save;
};

static void sharing_init(struct sharing *sharing) {
  run_init(&sharing->run);
  sharing->outside = run_stack_outside(&sharing->run, 1);
  sharing->gelu_save = run_stack_in_op(&sharing->run, RUN_GELU, 2, false);
  sharing->mul_save = run_stack_in_op(&sharing->run, RUN_MUL, 2, false);
  sharing->silu_save = run_stack_in_op(&sharing->run, RUN_SILU, 2, false);
}

Test(analyze, a_tensor_with_two_holders_is_listed_with_both) {
  struct sharing s;
  sharing_init(&s);
  run_alloc(&s.run, AT(1), 8 * KIB, s.outside);
  uint64_t tensor = run_save_tensor(&s.run, 0, AT(1), 8 * KIB, s.gelu_save);
  run_save_tensor(&s.run, tensor, AT(1), 8 * KIB, s.mul_save); /* the very same tensor */
  run_backward(&s.run, true);
  run_release(&s.run, tensor, run_node_type(RUN_GELU)); /* the older one, by its class */
  uint64_t gelu_released = s.run.time_ns;
  run_release(&s.run, tensor, run_node_type(RUN_MUL));
  run_free(&s.run, AT(1), 0, true);
  run_backward(&s.run, false);
  struct facts facts = run_facts(&s.run);
  const struct facts_saved_block *block = find_saved(&facts, 8 * KIB);
  cr_assert_eq(block->holders_count, 2);
  cr_assert_str_eq(block->holders[0].op, "gelu");
  cr_assert_str_eq(block->holders[1].op, "mul");
  cr_assert_eq(block->holders[0].release_ns, gelu_released);
  cr_assert_eq(block->holders[1].release_ns, gelu_released + 10);
  cr_assert_not(block->eligible);
  cr_assert(strstr(block->reason, "more than once"));
  cr_assert(find_op(&facts, "gelu")->bytes == 8 * KIB && find_op(&facts, "gelu")->exclusive_bytes == 0);
  cr_assert(find_op(&facts, "mul")->bytes == 8 * KIB && find_op(&facts, "mul")->exclusive_bytes == 0);
  cr_assert_eq(facts.saved_bytes, 8 * KIB, "once");
  facts_fini(&facts);
  run_fini(&s.run);
}

Test(analyze, views_inside_a_block_hold_the_block) {
  struct sharing s;
  sharing_init(&s);
  run_alloc(&s.run, AT(1), 64 * KIB, s.outside);
  run_alloc(&s.run, AT(2), 512 * KIB, s.outside);
  uint64_t half = run_save_tensor(&s.run, 0, AT(1) + 32 * KIB, 32 * KIB, s.silu_save);
  uint64_t last = run_save_tensor(&s.run, 0, AT(2) + 512 * KIB - 4, 4, s.mul_save);
  run_save_tensor(&s.run, 0, AT(2) + 512 * KIB, 4, s.mul_save); /* just behind: in no block */
  run_backward(&s.run, true);
  run_release(&s.run, half, run_node_type(RUN_SILU));
  run_free(&s.run, AT(1), 0, true);
  run_release(&s.run, last, run_node_type(RUN_MUL));
  run_backward(&s.run, false);
  struct facts facts = run_facts(&s.run);
  cr_assert_eq(facts.saved_bytes, 576 * KIB);
  cr_assert_eq(find_saved(&facts, 64 * KIB)->elements, 8 * KIB);
  cr_assert_eq(find_saved(&facts, 512 * KIB)->holders_count, 1);
  facts_fini(&facts);
  run_fini(&s.run);
}

Test(analyze, ops_without_a_release_learn_their_class_from_others) {
  struct sharing s;
  sharing_init(&s);
  uint32_t elsewhere = run_stack_in_op(&s.run, RUN_MUL, 5, false); /* the same code saves, deeper down */
  run_alloc(&s.run, AT(1), 8 * KIB, s.outside);
  run_alloc(&s.run, AT(2), 9 * KIB, s.outside);
  run_save_tensor(&s.run, 0, AT(1), 8 * KIB, elsewhere);
  uint64_t tensor = run_save_tensor(&s.run, 0, AT(2), 9 * KIB, s.mul_save);
  run_backward(&s.run, true);
  run_release(&s.run, tensor, run_node_type(RUN_MUL));
  run_backward(&s.run, false);
  struct facts facts = run_facts(&s.run);
  cr_assert_str_eq(find_saved(&facts, 8 * KIB)->op, "mul");
  cr_assert_eq(find_saved(&facts, 8 * KIB)->holders[0].release_ns, UINT64_MAX);
  facts_fini(&facts);
  run_fini(&s.run);
}

/* Saves by gelu in a step of its own, ended as told; the verdict's words. */
static const char *reason_after(void (*finish)(struct sharing *, uint64_t tensor), uint32_t dtype, bool *eligible) {
  struct sharing s;
  sharing_init(&s);
  run_alloc(&s.run, AT(1), 8 * KIB, s.outside);
  run_alloc(&s.run, AT(2), 5 * KIB, s.outside);
  struct trace_save save = {0x777, AT(1), 8 * KIB, 2 * KIB, dtype, TRACE_SOURCE_HOOKS, s.gelu_save, 0, 0};
  run_save_dtype(&s.run, &save);
  run_save_tensor(&s.run, 0, AT(2), 5 * KIB, s.mul_save); /* keeps the step alive */
  finish(&s, 0x777);
  run_backward(&s.run, false);
  struct facts facts = run_facts(&s.run);
  const struct facts_saved_block *block = find_saved(&facts, 8 * KIB);
  const char *reason = block->reason;
  *eligible = block->eligible;
  cr_assert_str_eq(block->evidence, "hooks");
  facts_fini(&facts);
  run_fini(&s.run);
  return reason;
}

static void free_in_release(struct sharing *s, uint64_t tensor) {
  run_backward(&s->run, true);
  run_release(&s->run, tensor, run_node_type(RUN_GELU));
  run_free(&s->run, AT(1), 0, true);
}

static void free_soon_after(struct sharing *s, uint64_t tensor) {
  run_backward(&s->run, true);
  run_release(&s->run, tensor, 0);
  run_alloc(&s->run, AT(7), 4096, 0);
  run_free(&s->run, AT(1), 0, false);
}

static void free_much_later(struct sharing *s, uint64_t tensor) {
  run_backward(&s->run, true);
  run_release(&s->run, tensor, run_node_type(RUN_GELU));
  for (int i = 0; i < 40; i++) {
    run_alloc(&s->run, AT(7 + i), 4096, 0);
  }
  run_free(&s->run, AT(1), 0, false);
}

static void free_on_another_thread(struct sharing *s, uint64_t tensor) {
  run_backward(&s->run, true);
  run_release(&s->run, tensor, run_node_type(RUN_GELU));
  s->run.stream = 1;
  run_free(&s->run, AT(1), 0, false);
  s->run.stream = 0;
}

static void free_after_backward(struct sharing *s, uint64_t tensor) {
  run_backward(&s->run, true);
  run_release(&s->run, tensor, run_node_type(RUN_GELU));
  run_backward(&s->run, false);
  run_free(&s->run, AT(1), 0, false); /* the very next event of the thread, and yet too late */
  run_backward(&s->run, true);
}

static void never_free(struct sharing *s, uint64_t tensor) {
  run_backward(&s->run, true);
  run_release(&s->run, tensor, run_node_type(RUN_GELU));
}

static void never_release(struct sharing *s, uint64_t tensor) {
  (void)tensor;
  run_backward(&s->run, true);
}

static void free_before_backward(struct sharing *s, uint64_t tensor) {
  (void)tensor;
  run_free(&s->run, AT(1), 0, false);
  run_backward(&s->run, true);
}

static void free_in_backward(struct sharing *s, uint64_t tensor) {
  (void)tensor;
  run_backward(&s->run, true);
  run_free(&s->run, AT(1), 0, false);
}

Test(analyze, every_verdict_has_its_reason) {
  enum { FLOAT = 6, BFLOAT = 15, INT64 = 4 };
  const struct {
    void (*finish)(struct sharing *, uint64_t);
    uint32_t dtype;
    bool eligible;
    const char *words;
  } cases[] = {
      {free_in_release, FLOAT, true, "only holder"},     {free_in_release, BFLOAT, true, "only holder"},
      {free_in_release, INT64, false, "floating-point"}, {free_soon_after, FLOAT, true, "only holder"},
      {free_much_later, FLOAT, false, "keeps it"},       {free_on_another_thread, FLOAT, false, "keeps it"},
      {free_after_backward, FLOAT, false, "keeps it"},   {never_free, FLOAT, false, "keeps it"},
      {never_release, FLOAT, false, "not seen"},         {free_before_backward, FLOAT, false, "before backward"},
      {free_in_backward, FLOAT, true, "only holder"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bool eligible;
    const char *reason = reason_after(cases[i].finish, cases[i].dtype, &eligible);
    cr_expect_eq(eligible, cases[i].eligible, "case %zu", i);
    cr_expect(strstr(reason, cases[i].words), "case %zu: %s", i, reason);
  }
}

/* ---- hostile traces ---------------------------------------------------------------------------------------------- */

Test(analyze, absurd_numbers_do_no_harm) {
  struct run_builder run;
  run_init(&run);
  uint32_t save = run_stack_in_op(&run, RUN_GELU, 1, false);
  run_alloc(&run, 0, 100, 0);
  run_alloc(&run, 1, TRACE_SIZE_MAX, 0x7fffffff);
  for (uint64_t i = 0; i < 200; i++) { /* enough to go past any signed 64-bit sum */
    run_alloc(&run, UINT64_MAX - i, TRACE_SIZE_MAX, save);
  }
  run_small(&run, TRACE_SIZE_MAX, 1);
  run_save_tensor(&run, UINT64_MAX, UINT64_MAX, TRACE_SIZE_MAX, save);
  run_save_tensor(&run, 5, 77, TRACE_SIZE_MAX, 0x7fffffff);
  run_backward(&run, false);
  run_backward(&run, true);
  run_release(&run, 12345, 1);
  run_resident(&run, UINT64_MAX - 5, TRACE_ROLE_BUFFER, true);
  run_free(&run, 1, 0, true);
  struct facts facts = run_facts(&run);
  cr_assert_eq(categories_sum(&facts), facts.peak.bytes);
  expect_samples_to_sum(&facts);
  facts_fini(&facts);
  run_fini(&run);
}

/* A trace that was never finished has no checksums: what is flipped in it reaches the analysis. */
Test(analyze, damage_by_the_thousand, .timeout = 120) {
  struct network net = {0};
  size_t size;
  unsigned whole = 0;
  uint64_t seed = 7;
  network_init(&net);
  for (int i = 0; i < 3; i++) {
    network_forward(&net);
    network_backward(&net);
  }
  struct path path = path_join(net.run.folder, "run");
  run_save(&net.run, path.text);
  uint8_t *bytes = file_read(path.text, &size);
  for (int i = 0; i < 3000; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    size_t chunk = size - 65536; /* the events are in the last chunk */
    size_t at = i % 8 == 0 ? (size_t)(seed >> 33) % size : chunk + (size_t)(seed >> 33) % 1024;
    uint8_t before = bytes[at];
    bytes[at] ^= (uint8_t)(1 + (seed >> 25) % 255);
    file_write(path.text, bytes, i % 16 == 1 ? at : size);
    bytes[at] = before;
    struct facts facts;
    struct error err = {""};
    int rc = analyze_trace(path.text, &facts, NULL, &err);
    cr_assert(rc == 0 || (rc == ERROR_INPUT && *err.message), "%d %s", rc, err.message);
    cr_assert_eq(categories_sum(&facts), facts.peak.bytes);
    expect_samples_to_sum(&facts);
    whole += rc == 0;
    facts_fini(&facts);
  }
  cr_assert_gt(whole, 300u, "some damage must reach the analysis");
  free(bytes);
  run_fini(&net.run);
}
