/* Comparisons of facts made by hand: what is joined with what, in which order, and what the verdict is. */
#include "analyzers/compare.h"

#include <criterion/criterion.h>
#include <string.h>

enum { MOST = 16 };

/* A run, as far as a comparison looks at it. */
struct made {
  struct facts facts;
  struct facts_site sites[MOST];
  struct facts_op ops[MOST];
  struct facts_step steps[MOST];
  struct facts_saved_block saved[MOST];
  struct facts_projection projections[MOST];
};

static struct made before, after;
static struct comparison comparison;

static void make(struct made *made, uint64_t peak) {
  *made = (struct made){
      .facts = {
          .run = {.framework = (char *)"", .evidence = (char *)"mark", .complete = true, .rank = -1, .min_size = 4096},
          .peak = {.bytes = peak},
          .sites = made->sites,
          .by_op = made->ops,
          .steps = made->steps,
          .saved = made->saved,
          .projections = made->projections,
          .saved_step = -1}};
}

static void setup(void) {
  make(&before, 1000000);
  make(&after, 1000000);
}

static void teardown(void) {
  comparison_fini(&comparison);
}

TestSuite(compare, .init = setup, .fini = teardown);

static void add_site(struct made *made, const char *site, uint64_t bytes) {
  made->sites[made->facts.sites_count++] = (struct facts_site){
      .bytes = bytes, .blocks = 1, .site = (char *)site, .op = (char *)"", .category = CATEGORY_OTHER};
}

static void add_op(struct made *made, const char *op, uint64_t bytes) {
  made->ops[made->facts.by_op_count++] = (struct facts_op){.op = (char *)op, .bytes = bytes, .blocks = 2};
}

static void add_step(struct made *made, uint64_t duration, uint64_t peak, uint64_t saved, bool complete) {
  made->steps[made->facts.steps_count++] = (struct facts_step){
      .begin_ns = 100, .end_ns = 100 + duration, .peak_bytes = peak, .saved_bytes = saved, .complete = complete};
}

static void add_saved(struct made *made, const char *layer, uint64_t bytes) {
  made->saved[made->facts.saved_count++] = (struct facts_saved_block){.layer = layer, .bytes = bytes};
  made->facts.saved_bytes += bytes;
}

static void add_python_line(struct made *made) {
  static struct facts_frame line = {(char *)"forward", (char *)"train.py", (char *)"", 3};
  static struct facts_stack stack = {.frames = &line, .frames_count = 1};
  made->facts.stacks = &stack;
  made->facts.stacks_count = 1;
}

static void compare(double share) {
  cr_assert_eq(comparison_make(&comparison, &before.facts, &after.facts, share), 0);
}

static void expect_row(const struct compare_table *table, size_t index, const char *name, uint64_t was, uint64_t is) {
  cr_assert_lt(index, table->count, "%zu rows", table->count);
  const struct compare_row *row = &table->rows[index];
  cr_expect_str_eq(row->name, name);
  cr_expect_eq(row->bytes[COMPARE_BEFORE], was, "%s: %lu", name, (unsigned long)row->bytes[COMPARE_BEFORE]);
  cr_expect_eq(row->bytes[COMPARE_AFTER], is, "%s: %lu", name, (unsigned long)row->bytes[COMPARE_AFTER]);
}

/* ---- lists ---------------------------------------------------------------------------------------------------------- */

Test(compare, rows_of_one_name_are_joined_and_the_largest_change_comes_first) {
  add_op(&before, "gelu", 500);
  add_op(&before, "addmm", 900);
  add_op(&before, "gone", 70);
  add_op(&after, "addmm", 905);
  add_op(&after, "gelu", 100);
  add_op(&after, "new", 71);
  compare(0);
  cr_assert_eq(comparison.ops.count, 4);
  expect_row(&comparison.ops, 0, "gelu", 500, 100);
  expect_row(&comparison.ops, 1, "new", 0, 71);
  expect_row(&comparison.ops, 2, "gone", 70, 0);
  expect_row(&comparison.ops, 3, "addmm", 900, 905);
  cr_expect(!comparison.ops.rows[1].there[COMPARE_BEFORE] && comparison.ops.rows[1].there[COMPARE_AFTER]);
  cr_expect_eq(compare_change(&comparison.ops.rows[0]), -400);
  cr_expect_eq(comparison.ops.rows[3].blocks[COMPARE_AFTER], 2);
}

Test(compare, several_stacks_of_one_site_are_one_row) {
  add_site(&before, "a.c:1 f", 10);
  add_site(&before, "a.c:1 f", 20);
  add_site(&after, "a.c:1 f", 35);
  compare(0);
  cr_assert_eq(comparison.sites.count, 1);
  expect_row(&comparison.sites, 0, "a.c:1 f", 30, 35);
  cr_expect_eq(comparison.sites.rows[0].blocks[COMPARE_BEFORE], 2);
}

/* Between two builds of an edited program. */
Test(compare, a_line_that_moved_is_the_same_site) {
  add_site(&before, "a.c:10 f < a.c:100 main", 1000);
  add_site(&after, "a.c:12 f < a.c:104 main", 1500);
  compare(0);
  cr_assert_eq(comparison.sites.count, 1);
  expect_row(&comparison.sites, 0, "a.c:12 f < a.c:104 main", 1000, 1500);
}

/* f's lines 10 and 20 became 15 and 25, or one of them 20: nobody can tell, so that they count together. */
Test(compare, lines_that_moved_in_one_function_are_one_row) {
  add_site(&before, "a.c:10 f", 100);
  add_site(&before, "a.c:20 f", 200);
  add_site(&after, "a.c:20 f", 100);
  add_site(&after, "a.c:30 f", 250);
  add_site(&before, "a.c:10 g", 7);
  add_site(&after, "a.c:10 g", 7);
  compare(0);
  cr_assert_eq(comparison.sites.count, 2);
  expect_row(&comparison.sites, 0, "a.c f", 300, 350);
  expect_row(&comparison.sites, 1, "a.c:10 g", 7, 7);
}

Test(compare, a_line_that_came_or_went_is_a_row_of_its_own) {
  add_site(&before, "a.c:10 f", 100);
  add_site(&after, "a.c:10 f", 100);
  add_site(&after, "a.c:30 f", 250);
  add_site(&before, "a.c:10 g", 40);
  add_site(&before, "a.c:11 g", 41);
  add_site(&after, "a.c:11 g", 41);
  compare(0);
  cr_assert_eq(comparison.sites.count, 4);
  expect_row(&comparison.sites, 0, "a.c:30 f", 0, 250);
  expect_row(&comparison.sites, 1, "a.c:10 g", 40, 0);
}

/* Only what stands between a colon and a blank is a line. */
Test(compare, other_numbers_are_not_lines) {
  add_site(&before, "lib:2.so std::f<1>", 10);
  add_site(&after, "lib:3.so std::f<2>", 10);
  compare(0);
  cr_expect_eq(comparison.sites.count, 2);
}

Test(compare, layers_one_by_one_and_together) {
  add_saved(&before, "blocks.0.act", 100);
  add_saved(&before, "blocks.1.act", 100);
  add_saved(&after, "blocks.0.act", 10);
  add_saved(&after, "blocks.1.act", 20);
  compare(0);
  expect_row(&comparison.layers, 0, "blocks.0.act", 100, 10);
  expect_row(&comparison.layers, 1, "blocks.1.act", 100, 20);
  expect_row(&comparison.like_layers, 0, "blocks.*.act", 200, 30);
}

Test(compare, projections_are_in_the_order_of_their_bits) {
  before.facts.projections_count = after.facts.projections_count = 2;
  before.projections[0] = (struct facts_projection){.bits = 4, .peak_bytes = 40};
  before.projections[1] = (struct facts_projection){.bits = 1, .peak_bytes = 10};
  after.projections[0] = (struct facts_projection){.bits = 1, .peak_bytes = 11};
  after.projections[1] = (struct facts_projection){.bits = 4, .peak_bytes = 90};
  compare(0);
  cr_assert_eq(comparison.projections.count, 2);
  cr_expect_eq(comparison.projections.rows[0].bits, 1);
  expect_row(&comparison.projections, 1, "", 40, 90);
}

/* ---- steps ---------------------------------------------------------------------------------------------------------- */

Test(compare, the_median_of_an_even_count_is_in_the_middle) {
  add_step(&before, 40, 9, 100, true);
  add_step(&before, 10, 1, 200, true);
  add_step(&before, 21, 4, 300, true);
  add_step(&before, 30, 5, 500, true);
  compare(0);
  const struct compare_steps *steps = &comparison.steps[COMPARE_BEFORE];
  cr_expect_eq(steps->duration_ns, 25);
  cr_expect_eq(steps->peak_bytes, 4);
  cr_expect_eq(steps->saved_bytes, 250);
}

Test(compare, typical_steps_are_medians_of_the_complete_ones) {
  add_step(&before, 50, 500, 5, true);
  add_step(&before, 10, 100, 3, true);
  add_step(&before, 30, 300, 1, true);
  add_step(&before, 9999, 9999, 9999, false);
  compare(0);
  const struct compare_steps *steps = &comparison.steps[COMPARE_BEFORE];
  cr_expect_eq(steps->count, 4);
  cr_expect_eq(steps->complete, 3);
  cr_expect_eq(steps->duration_ns, 30);
  cr_expect_eq(steps->peak_bytes, 300);
  cr_expect_eq(steps->saved_bytes, 3);
  cr_expect_eq(comparison.steps[COMPARE_AFTER].count, 0);
  cr_expect_eq(comparison.doubts, COMPARE_FEW_STEPS);
}

/* ---- the verdict ---------------------------------------------------------------------------------------------------- */

Test(compare, a_run_and_itself_are_identical) {
  add_op(&before, "gelu", 500);
  add_site(&before, "a.c:1 f", 10);
  add_step(&before, 5, 6, 7, true);
  after = before;
  after.facts.sites = after.sites;
  after.facts.by_op = after.ops;
  after.facts.steps = after.steps;
  after.steps[0].end_ns += 1000; /* no two runs take the same time */
  compare(0.001);
  cr_expect(comparison.identical && comparison.same);
  cr_expect_eq(comparison.doubts, 0);
}

Test(compare, what_lies_within_the_tolerance_is_the_same) {
  add_site(&before, "a.c:1 f", 5000);
  add_site(&after, "a.c:1 f", 6000);
  compare(0.001);
  cr_expect(comparison.same && !comparison.identical);
  cr_expect_eq(comparison.tolerance, 1000);
  cr_expect_not(compare_matters(&comparison, &comparison.sites.rows[0]));
  comparison_fini(&comparison);
  after.sites[0].bytes = 6001;
  compare(0.001);
  cr_expect_not(comparison.same);
  cr_expect(compare_matters(&comparison, &comparison.sites.rows[0]));
}

Test(compare, every_figure_may_make_the_difference) {
  for (int which = 0; which < 5; which++) {
    setup();
    add_op(&before, "gelu", 10);
    add_op(&after, "gelu", which == 0 ? 5000 : 10);
    add_site(&before, "a.c:1 f", 10);
    add_site(&after, "a.c:1 f", which == 1 ? 5000 : 10);
    after.facts.peak.bytes += which == 2 ? 5000 : 0;
    after.facts.categories[CATEGORY_SMALL] += which == 3 ? 5000 : 0;
    after.facts.saved_bytes += which == 4 ? 5000 : 0;
    compare(0.001);
    cr_expect_not(comparison.same, "%d", which);
    comparison_fini(&comparison);
  }
}

Test(compare, doubts) {
  compare(0);
  cr_expect_eq(comparison.doubts, 0);
  comparison_fini(&comparison);
  after.facts.run = (struct facts_run){
      .framework = (char *)"pytorch 2.13.0", .evidence = (char *)"probe", .rank = 3, .min_size = 0, .lost_events = 1};
  add_saved(&before, "", 10);
  add_saved(&after, "fc1", 10);
  add_step(&after, 1, 1, 1, true);
  add_python_line(&after);
  compare(0);
  cr_expect_eq(comparison.doubts, (1u << COMPARE_DOUBTS) - 1, "all of them: %x", comparison.doubts);
  cr_expect_eq(comparison.ops.count, 0);
}

/* The same holds for sites that are lines of Python in one run only. */
Test(compare, lines_of_python_that_were_not_recorded_are_no_change) {
  add_site(&before, "libtorch_cpu.so at::native::gelu", 50000);
  add_site(&after, "train.py:3 forward", 50000);
  add_python_line(&after);
  compare(0);
  cr_expect_eq(comparison.doubts, COMPARE_PYTHON_LINES);
  cr_expect(!comparison.python_lines[COMPARE_BEFORE] && comparison.python_lines[COMPARE_AFTER]);
  cr_expect_eq(comparison.sites.count, 0);
  cr_expect(comparison.identical);
  comparison_fini(&comparison);
  add_python_line(&before);
  compare(0);
  cr_expect_eq(comparison.sites.count, 2);
  cr_expect_not(comparison.identical);
}

/* Names of layers that one run lacks have not gone: they are no change. */
Test(compare, layers_that_were_not_recorded_are_no_change) {
  add_saved(&before, "", 50000);
  add_saved(&after, "fc1", 50000);
  compare(0);
  cr_expect_eq(comparison.doubts, COMPARE_LAYERS);
  cr_expect(comparison.identical);
}

/* ---- projected ------------------------------------------------------------------------------------------------------ */

static void expect_bits(uint64_t saved, unsigned bits) {
  after.facts.saved_bytes = saved;
  compare(0);
  const struct facts_projection *projection = compare_projected(&comparison);
  cr_expect_eq(projection ? projection->bits : 0, bits, "%lu bytes saved", (unsigned long)saved);
  comparison_fini(&comparison);
}

/* 320,000 bytes of floats, 10,000 of codes a bit. */
Test(compare, a_run_with_codes_is_known_by_what_it_saves_less) {
  before.facts.saved_bytes = 1000000;
  for (unsigned bits = 1; bits <= 4; bits++) {
    before.projections[before.facts.projections_count++] =
        (struct facts_projection){.bits = bits, .eligible_bytes = 320000, .code_bytes = 10000 * (uint64_t)bits};
  }
  for (unsigned bits = 1; bits <= 4; bits++) {
    const uint64_t saved = 1000000 - 320000 + 10000 * (uint64_t)bits;
    expect_bits(saved, bits);
    expect_bits(saved + 2000, bits);
  }
  expect_bits(1000000 - 320000, 0);
  expect_bits(1000000 - 320000 + 15000, 0);
  expect_bits(1000000, 0);
  expect_bits(1200000, 0);
}
