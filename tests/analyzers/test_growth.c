/* Training loops written by hand: one that lets go of what each step saved, and ones that do not. */
#include "analyzers/growth.h"

#include "tests/analyzers/run_builder.h"

#include <criterion/criterion.h>

#define AT(n) (0x100000000u + (uint64_t)(n)*0x10000000u)

enum { SAVED = 1 << 16, STEPS_MAX = 8 };

/* Step i saves sizes[i] bytes, and keeps them past its end where `keeps`. */
static struct facts loop_facts(const uint64_t *sizes, unsigned steps, bool keeps) {
  struct run_builder run;
  run_init(&run);
  const uint32_t compute = run_stack_in_op(&run, RUN_GELU, 2, true), save = run_stack_in_op(&run, RUN_GELU, 2, false);
  const uint32_t engine = run_stack_within(&run, 1u << RUN_ENGINE, 3);
  for (unsigned i = 0; i < steps; i++) {
    uint64_t passing;
    run_alloc(&run, AT(i), sizes[i], compute);
    run_save_tensor(&run, 0, AT(i), sizes[i], save);
    run_alloc(&run, AT(STEPS_MAX + i), SAVED, compute);
    passing = run_save_tensor(&run, 0, AT(STEPS_MAX + i), SAVED, save);
    run_backward(&run, true);
    run_release(&run, passing, run_node_type(RUN_GELU));
    run_free(&run, AT(STEPS_MAX + i), engine, true);
    if (!keeps) {
      run_free(&run, AT(i), engine, true);
    }
    run_backward(&run, false);
  }
  struct facts facts = run_facts(&run);
  run_fini(&run);
  return facts;
}

static const uint64_t alike[STEPS_MAX] = {SAVED, SAVED, SAVED, SAVED, SAVED, SAVED, SAVED, SAVED};

Test(growth, of_what_every_step_keeps) {
  struct growth growth;
  struct facts facts = loop_facts(alike, 5, true);
  cr_assert(growth_find(&facts, &growth));
  cr_expect_eq(growth.first, 1);
  cr_expect_eq(growth.first_bytes, SAVED);
  cr_expect_eq(growth.last, 4);
  cr_expect_eq(growth.last_bytes, 4 * SAVED);
  facts_fini(&facts);
}

Test(growth, not_of_what_two_steps_keep) {
  struct growth growth;
  struct facts facts = loop_facts(alike, 3, true);
  cr_expect_not(growth_find(&facts, &growth));
  facts_fini(&facts);
}

Test(growth, not_of_larger_and_larger_batches) {
  static const uint64_t larger[STEPS_MAX] = {SAVED, 2 * SAVED, 3 * SAVED, 4 * SAVED, 5 * SAVED, 6 * SAVED};
  struct growth growth;
  struct facts facts = loop_facts(larger, 6, false);
  cr_expect_eq(facts.steps_count, 6);
  cr_expect_not(growth_find(&facts, &growth));
  facts_fini(&facts);
}

Test(growth, not_of_little_beside_much) {
  static const uint64_t sizes[STEPS_MAX] = {64 * SAVED, SAVED, SAVED, SAVED, SAVED};
  struct growth growth;
  struct facts facts = loop_facts(sizes, 5, true);
  cr_expect_not(growth_find(&facts, &growth));
  facts_fini(&facts);
}

Test(growth, not_without_steps) {
  struct growth growth;
  struct facts facts = {.history = NULL};
  cr_expect_not(growth_find(&facts, &growth));
}
