/* Three steps written by hand, wasteful in a known way; the peak without the waste is known, too. */
#include "analyzers/analyze.h"

#include "tests/analyzers/run_builder.h"

#include <criterion/criterion.h>

#define AT(n) (0x100000000u + (uint64_t)(n)*0x10000000u) /* the n-th block's address */
#define IN(place) (1u << (place))

enum { W = 1 << 16, MASK = 1 << 18, LOGITS = 1 << 17, SQRT = 1 << 19, TOP = 1 << 15, STEPS = 3 };
enum { AT_W, AT_MASK, AT_LOGITS, AT_GRADIENT = AT_LOGITS + 2, AT_ADDED, AT_TOP, AT_SQRT };
enum waste {
  A_MASK = 1,
  LATE_GRADIENT = 2,
  KEPT_GRADIENT = 4,
  KEPT_LOGITS = 8,
  FOREACH = 16,
  GRADIENT_OF_LOGITS = 32,
  COPY = 64
};

struct loop {
  struct run_builder run;
  uint32_t setup, compute, save, dropout, backward, foreach, top, computed_back;
  unsigned waste;
};

static void forward(struct loop *loop, unsigned step, uint64_t *w, uint64_t *mask) {
  struct run_builder *run = &loop->run;
  *w = run_save_tensor(run, 0, AT(AT_W), W, loop->save);
  if (loop->waste & A_MASK) { /* saved by mul, which then returns */
    run_alloc(run, AT(AT_MASK), MASK, loop->dropout);
    *mask = run_save_tensor(run, 0, AT(AT_MASK), MASK, run_stack_in_op(run, RUN_MUL, 2, false));
  }
  run_alloc(run, AT(AT_LOGITS + step % 2), LOGITS, loop->compute);
  if (step > 0 && loop->waste & KEPT_LOGITS) {
    run_free(run, AT(AT_LOGITS + !(step % 2)), loop->setup, false);
  } else if (!(loop->waste & KEPT_LOGITS)) {
    run_free(run, AT(AT_LOGITS + step % 2), loop->setup, false);
  }
  if (step > 0 && loop->waste & LATE_GRADIENT) {
    run_alloc(run, AT(AT_TOP), TOP, loop->top);
    run_free(run, AT(AT_TOP), loop->top, false);
    run_free(run, AT(AT_GRADIENT), loop->setup, false);
  }
}

static void backward(struct loop *loop, unsigned step, uint64_t w, uint64_t mask) {
  struct run_builder *run = &loop->run;
  run_resident(run, AT(AT_W), TRACE_ROLE_PARAMETER, true);
  run_backward(run, true);
  run_alloc(run, AT(AT_TOP), TOP, loop->top);
  run_free(run, AT(AT_TOP), loop->top, false);
  if (loop->waste & (GRADIENT_OF_LOGITS | COPY)) {
    run_alloc(run, AT(AT_SQRT), SQRT, loop->waste & COPY ? loop->dropout : loop->computed_back);
    run_free(run, AT(AT_SQRT), loop->setup, false);
  }
  if (step > 0 && loop->waste & KEPT_GRADIENT) {
    run_alloc(run, AT(AT_ADDED), W, loop->backward);
    run_free(run, AT(AT_ADDED), loop->backward, false);
  } else {
    run_alloc(run, AT(AT_GRADIENT), W, loop->backward);
  }
  if (loop->waste & A_MASK) {
    run_release(run, mask, run_node_type(RUN_MUL));
    run_free(run, AT(AT_MASK), loop->backward, true);
  }
  run_release(run, w, run_node_type(RUN_ADDMM));
  run_backward(run, false);
}

static void update(struct loop *loop) {
  struct run_builder *run = &loop->run;
  for (unsigned i = 0; loop->waste & FOREACH && i < 2; i++) {
    run_alloc(run, AT(AT_SQRT + i), SQRT, loop->foreach);
  }
  for (unsigned i = 0; loop->waste & FOREACH && i < 2; i++) {
    run_free(run, AT(AT_SQRT + i), loop->foreach, false);
  }
  if (!(loop->waste & (LATE_GRADIENT | KEPT_GRADIENT))) {
    run_free(run, AT(AT_GRADIENT), loop->setup, false);
  }
}

static struct facts facts_of(unsigned waste) {
  struct loop loop = {.waste = waste};
  struct run_builder *run = &loop.run;
  run_init(run);
  loop.setup = run_stack_within(run, IN(RUN_TENSOR), 1);
  loop.compute = run_stack_in_op(run, RUN_ADDMM, 2, true);
  loop.save = run_stack_in_op(run, RUN_ADDMM, 2, false);
  loop.dropout = run_stack_within(run, IN(RUN_TENSOR) | IN(RUN_DROPOUT), 2);
  loop.backward = run_stack_within(run, IN(RUN_TENSOR) | IN(RUN_ENGINE), 3);
  loop.foreach = run_stack_within(run, IN(RUN_TENSOR) | IN(RUN_FOREACH), 4);
  loop.computed_back = run_stack_within(run, IN(RUN_TENSOR) | IN(RUN_DROPOUT) | IN(RUN_ENGINE), 3);
  loop.top = run_stack_outside(run, 5);
  run_alloc(run, AT(AT_W), W, loop.setup);
  for (unsigned step = 0; step < STEPS; step++) {
    uint64_t w, mask = 0;
    forward(&loop, step, &w, &mask);
    backward(&loop, step, w, mask);
    update(&loop);
  }
  struct facts facts = run_facts(run);
  run_fini(run);
  return facts;
}

/* The only advice is of this kind, and with it the run would have had this peak. */
static void expect(unsigned waste, enum advice_kind kind, uint64_t bytes, uint64_t peak) {
  struct facts facts = facts_of(waste);
  const struct facts_advice *found = NULL;
  for (size_t i = 0; i < facts.advice_count; i++) {
    found = facts.advice[i].kind == kind ? &facts.advice[i] : found;
    cr_expect(facts.advice[i].kind == kind || facts.advice[i].kind == ADVICE_TEMPORARY, "%s",
              advice_names[facts.advice[i].kind]);
  }
  cr_assert(found, "no %s in %zu", advice_names[kind], facts.advice_count);
  cr_expect_eq(found->bytes, bytes, "0x%lx", (unsigned long)found->bytes);
  cr_expect_eq(found->peak_bytes, peak, "0x%lx", (unsigned long)found->peak_bytes);
  cr_expect_eq(found->saving_bytes, (int64_t)(facts.peak.bytes - peak));
  facts_fini(&facts);
}

/* Four bytes an element become a bit, from the return of mul on; until then they are there, beside the weight. */
Test(advice, masks_as_bits) {
  const uint64_t bits = MASK / 32;
  expect(A_MASK, ADVICE_MASK_BITS, MASK - bits, W + MASK);
}

/* The gradient is there beside the logits; without it the logits and the weight are left. */
Test(advice, gradients_that_go_late) {
  expect(LATE_GRADIENT, ADVICE_FREE_GRADIENTS, W, W + LOGITS);
}

Test(advice, gradients_that_never_go) {
  expect(KEPT_GRADIENT, ADVICE_FREE_GRADIENTS, W, W + LOGITS);
}

/* The logits of two steps meet for a moment; with the older ones gone before, there are one step's. */
Test(advice, results_that_are_kept) {
  expect(KEPT_LOGITS, ADVICE_FREE_KEPT, LOGITS, W + LOGITS);
}

Test(advice, an_update_of_all_parameters_at_once) {
  expect(FOREACH, ADVICE_FOREACH, SQRT, W + W + SQRT);
}

/* What the program allocates by itself it may do without; what autograd's functions do not. */
Test(advice, temporaries_of_the_program_only) {
  expect(COPY, ADVICE_TEMPORARY, SQRT, W + LOGITS);
  struct facts facts = facts_of(GRADIENT_OF_LOGITS);
  cr_expect_eq(facts.categories[CATEGORY_TEMPORARY], SQRT);
  cr_expect_eq(facts.advice_count, 0);
  facts_fini(&facts);
}

Test(advice, none_without_steps) {
  struct run_builder run;
  run_init(&run);
  run_alloc(&run, AT(1), MASK, run_stack_within(&run, IN(RUN_TENSOR) | IN(RUN_DROPOUT), 1));
  run_free(&run, AT(1), 0, false);
  struct facts facts = run_facts(&run);
  cr_expect_eq(facts.advice_count, 0);
  facts_fini(&facts);
  run_fini(&run);
}
