/* What stacks did over the whole run, against counts kept by hand. */
#include "analyzers/traffic.h"

#include "tests/analyzers/run_builder.h"

#include <criterion/criterion.h>

#define AT(n) (0x100000000u + (uint64_t)(n)*0x100000u)

static struct run_builder run;
static struct facts facts;

static void setup(void) {
  run_init(&run);
}

static void teardown(void) {
  facts_fini(&facts);
  run_fini(&run);
}

TestSuite(traffic, .init = setup, .fini = teardown);

static const struct facts_traffic *of_stack(uint32_t stack) {
  for (size_t i = 0; i < facts.busy_sites_count; i++) {
    if (facts.busy_sites[i].stack == stack) {
      return &facts.busy_sites[i].traffic;
    }
  }
  return NULL;
}

static void expect(const struct facts_traffic *traffic, uint64_t allocations, uint64_t bytes, uint64_t temporary,
                   uint64_t end_blocks, uint64_t end_bytes) {
  cr_assert_not_null(traffic);
  cr_expect_eq(traffic->allocations, allocations, "%lu allocations", (unsigned long)traffic->allocations);
  cr_expect_eq(traffic->bytes, bytes, "%lu bytes", (unsigned long)traffic->bytes);
  cr_expect_eq(traffic->temporary, temporary, "%lu temporary", (unsigned long)traffic->temporary);
  cr_expect_eq(traffic->end_blocks, end_blocks, "%lu blocks left", (unsigned long)traffic->end_blocks);
  cr_expect_eq(traffic->end_bytes, end_bytes, "%lu bytes left", (unsigned long)traffic->end_bytes);
}

Test(traffic, of_two_stacks) {
  const uint32_t a = run_stack_outside(&run, 1), b = run_stack_outside(&run, 2);
  run_alloc(&run, AT(0), 5000, a);
  run_free(&run, AT(0), a, false); /* temporary */
  run_alloc(&run, AT(0), 6000, a);
  run_alloc(&run, AT(1), 7000, b);
  run_free(&run, AT(0), a, false); /* another came in between */
  run_free(&run, AT(1), a, false); /* temporary, whoever frees it */
  run_alloc(&run, AT(2), 8000, b);
  run_alloc(&run, AT(3), 9000, b);
  run_free(&run, AT(2), b, false);
  facts = run_facts(&run);
  expect(of_stack(a), 2, 11000, 1, 0, 0);
  expect(of_stack(b), 3, 24000, 1, 1, 9000);
  expect(&facts.traffic, 5, 35000, 2, 1, 9000);
  cr_expect_eq(facts.busy_sites[0].stack, b, "most allocations first");
  cr_expect_str_not_empty(facts.busy_sites[0].site);
}

/* A block given back by another thread was not for nothing; a small one in between is an allocation like any other. */
Test(traffic, what_is_not_temporary) {
  const uint32_t a = run_stack_outside(&run, 1);
  run_alloc(&run, AT(0), 5000, a);
  run.stream = 1;
  run_free(&run, AT(0), a, false);
  run.stream = 0;
  run_alloc(&run, AT(1), 5000, a);
  run_small(&run, 48, 0);
  run_free(&run, AT(1), a, false);
  run_alloc(&run, AT(2), 5000, a);
  run_small(&run, 0, 48);
  run_free(&run, AT(2), a, false); /* this one is */
  facts = run_facts(&run);
  expect(of_stack(a), 3, 15000, 1, 0, 0);
  expect(&facts.small_traffic, 1, 48, 0, 0, 0);
}

/* A buffer that grows: each of its sizes was for nothing but the last. */
Test(traffic, reallocations) {
  const uint32_t a = run_stack_outside(&run, 1);
  run_alloc(&run, AT(0), 5000, a);
  run_realloc(&run, AT(0), AT(1), 10000, a);
  run_realloc(&run, AT(1), AT(2), 20000, a);
  facts = run_facts(&run);
  expect(of_stack(a), 3, 35000, 2, 1, 20000);
}

/* More stacks than are told of: the first of each order are there, and the sums are of all. */
Test(traffic, the_busiest_of_many) {
  enum { STACKS = 3 * TRAFFIC_STACKS + 50 };
  static uint32_t stacks[STACKS];
  uint64_t frames[3] = {run_program_address(1), run_program_address(2), 0};
  uint64_t allocations = 0, left = 0;
  for (unsigned i = 0; i < STACKS; i++) {
    frames[2] = 0x1000 + i;
    stacks[i] = run_stack(&run, frames, 3);
  }
  for (unsigned i = 0; i < STACKS; i++) { /* the first leave most, the last allocate most often */
    run_alloc(&run, AT(i), 4096 + STACKS - i, stacks[i]);
    left += 4096 + STACKS - i;
    for (unsigned k = 0; k < i / 2; k++) {
      run_alloc(&run, AT(STACKS), 5000, stacks[i]);
      run_alloc(&run, AT(STACKS + 1), 5000, stacks[i]);
      run_free(&run, AT(STACKS), stacks[i], false);
      run_free(&run, AT(STACKS + 1), stacks[i], false);
    }
    allocations += 1 + 2 * (i / 2);
  }
  facts = run_facts(&run);
  cr_expect_eq(facts.traffic.allocations, allocations);
  cr_expect_eq(facts.traffic.end_bytes, left);
  cr_expect_eq(facts.traffic.end_blocks, STACKS);
  cr_assert_leq(facts.busy_sites_count, 3 * TRAFFIC_STACKS);
  for (unsigned i = 0; i < TRAFFIC_STACKS; i++) {
    cr_expect_not_null(of_stack(stacks[i]), "%u, of those that leave most", i);
    cr_expect_not_null(of_stack(stacks[STACKS - 1 - i]), "%u, of those that allocate most", STACKS - 1 - i);
  }
  cr_expect_null(of_stack(stacks[STACKS / 2]));
}

Test(traffic, of_nothing) {
  run_small(&run, 0, 0);
  facts = run_facts(&run);
  expect(&facts.traffic, 0, 0, 0, 0, 0);
  cr_expect_eq(facts.busy_sites_count, 0);
}
