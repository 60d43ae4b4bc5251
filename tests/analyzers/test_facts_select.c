/* Selections of a run of three steps: which step is shown, which of its blocks, in which order; and that a store, read with
 * its history, gives the same. */
#include "analyzers/facts_select.h"

#include "analyzers/analyze.h"
#include "analyzers/facts_saved.h"
#include "analyzers/store.h"
#include "tests/analyzers/run_builder.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define KIB 1024u
#define AT(n) (0x10000u * (n))

enum { STEPS = 3, BLOCKS = 3 };

static struct run_builder run;
static struct facts facts;
static struct error err;

/* Block n of a step is 8n KiB, and one KiB more a step; gelu holds the first, mul the rest. The last step is cut off. */
static void add_step(unsigned step, uint32_t layers[]) {
  const enum run_op ops[] = {RUN_GELU, RUN_MUL, RUN_MUL};
  for (unsigned n = 1; n <= BLOCKS; n++) {
    run_alloc(&run, AT(n), (8 * n + step) * KIB, run_stack_in_op(&run, RUN_ADDMM, n, true));
  }
  for (unsigned n = BLOCKS; n >= 1; n--) {
    struct trace_save save = {0x700 + n,
                              AT(n),
                              (8 * n + step) * KIB,
                              (8 * n + step) * KIB / 4,
                              6,
                              TRACE_SOURCE_PROBE,
                              run_stack_in_op(&run, ops[n - 1], 2, false),
                              layers[n - 1],
                              0};
    run_save_dtype(&run, &save);
  }
  run_backward(&run, true);
  for (unsigned n = 1; n <= BLOCKS; n++) {
    run_release(&run, 0x700 + n, run_node_type(ops[n - 1]));
    run_free(&run, AT(n), 0, true);
  }
  if (step + 1 < STEPS) {
    run_backward(&run, false);
  }
}

static void set_up(void) {
  run_init(&run);
  uint32_t layers[] = {run_string(&run, "blocks.0.act"), run_string(&run, "blocks.10.fc"), run_string(&run, "head")};
  for (unsigned step = 0; step < STEPS; step++) {
    add_step(step, layers);
  }
  facts = run_facts(&run);
}

static void tear_down(void) {
  facts_fini(&facts);
  run_fini(&run);
}

TestSuite(facts_select, .init = set_up, .fini = tear_down);

static void select_part(struct facts_selection changed) {
  cr_assert_eq(facts_select(&facts, &changed, &err), 0, "%s", err.message);
}

static uint64_t saved_sum(void) {
  uint64_t sum = 0;
  for (size_t i = 0; i < facts.saved_count; i++) {
    sum += facts.saved[i].bytes;
  }
  return sum;
}

Test(facts_select, everything_is_as_it_was) {
  struct facts_selection all = FACTS_SELECT_ALL;
  cr_assert_eq(facts.steps_count, STEPS);
  cr_assert_eq(facts.saved_step, 1);
  select_part(all);
  cr_expect_eq(facts.saved_count, BLOCKS);
  cr_expect_eq(facts.saved[0].bytes, 25 * KIB);
  cr_expect_eq(facts.by_op_count, 2);
}

Test(facts_select, another_step) {
  struct facts_selection selection = FACTS_SELECT_ALL;
  selection.step = 0;
  cr_expect(facts_selection_needs_history(&selection));
  select_part(selection);
  cr_expect_eq(facts.saved_step, 0);
  cr_expect_eq(facts.saved_bytes, 48 * KIB);
  cr_expect_eq(saved_sum(), 48 * KIB);
  cr_expect_str_eq(facts.by_op[0].op, "mul");
  cr_expect_eq(facts.by_op[0].bytes, 40 * KIB);
}

Test(facts_select, there_is_no_such_step) {
  struct facts_selection selection = FACTS_SELECT_ALL;
  selection.step = STEPS;
  cr_expect_eq(facts_select(&facts, &selection, &err), ERROR_USAGE);
  cr_expect_not_null(strstr(err.message, "0 to 2"), "%s", err.message);
}

/* The step that saved most within the time, and steps that meet it. */
Test(facts_select, a_time) {
  struct facts_selection selection = FACTS_SELECT_ALL;
  selection.until_ns = facts.steps[0].end_ns;
  select_part(selection);
  cr_expect_eq(facts.saved_step, 0);
  cr_expect_eq(facts.steps_count, 1);
  for (size_t i = 0; i < facts.timeline_count; i++) {
    cr_expect_lt(facts.timeline[i].time_ns, selection.until_ns);
  }
}

Test(facts_select, a_time_without_a_complete_step) {
  struct facts_selection selection = FACTS_SELECT_ALL;
  selection.since_ns = facts.steps[0].begin_ns + 1;
  selection.until_ns = facts.steps[1].end_ns - 1;
  cr_expect_eq(facts_select(&facts, &selection, &err), ERROR_USAGE);
}

Test(facts_select, an_op) {
  struct facts_selection selection = FACTS_SELECT_ALL;
  selection.ops = "silu,gelu";
  select_part(selection);
  cr_expect_eq(facts.saved_count, 1);
  cr_expect_eq(facts.saved[0].bytes, 9 * KIB);
  cr_expect_eq(facts.by_op_count, 1);
  cr_expect_eq(facts.saved_bytes, 51 * KIB, "of the whole step");
}

Test(facts_select, layers_by_pattern_and_by_what_is_above) {
  static const struct {
    const char *pattern;
    size_t blocks;
  } cases[] = {{"blocks.*", 2}, {"blocks", 2},     {"blocks.1", 0}, {"blocks.10", 1},
               {"*.act", 1},    {"head,*.act", 2}, {"", 0},         {"blocks.?.act,", 1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct facts_selection selection = FACTS_SELECT_ALL;
    facts_fini(&facts);
    facts = run_facts(&run);
    selection.layers = cases[i].pattern;
    select_part(selection);
    cr_expect_eq(facts.saved_count, cases[i].blocks, "%s: %zu", cases[i].pattern, facts.saved_count);
  }
}

static void expect_orders(const enum facts_order order, const char *blocks, const char *ops, const char *layers) {
  struct facts_selection selection = FACTS_SELECT_ALL;
  struct facts_layers by_layer;
  char found[3][128] = {"", "", ""};
  selection.order = order;
  select_part(selection);
  cr_assert_eq(facts_layers_init(&by_layer, &facts, false), 0);
  cr_assert_eq(facts_layers_sort(&by_layer, &facts, order), 0);
  for (size_t i = 0; i < facts.saved_count; i++) {
    sprintf(found[0] + strlen(found[0]), "%llu ", (unsigned long long)(facts.saved[i].bytes / KIB));
  }
  for (size_t i = 0; i < facts.by_op_count; i++) {
    sprintf(found[1] + strlen(found[1]), "%s ", facts.by_op[i].op);
  }
  for (size_t i = 0; i < by_layer.count; i++) {
    sprintf(found[2] + strlen(found[2]), "%s ", by_layer.items[i].layer);
  }
  cr_expect_str_eq(found[0], blocks);
  cr_expect_str_eq(found[1], ops);
  cr_expect_str_eq(found[2], layers);
  facts_layers_fini(&by_layer);
}

Test(facts_select, by_bytes) {
  expect_orders(FACTS_BY_BYTES, "25 17 9 ", "mul gelu ", "head blocks.10.fc blocks.0.act ");
}

Test(facts_select, by_blocks) {
  expect_orders(FACTS_BY_BLOCKS, "25 17 9 ", "mul gelu ", "head blocks.10.fc blocks.0.act ");
}

Test(facts_select, by_eligible) {
  expect_orders(FACTS_BY_ELIGIBLE, "9 25 17 ", "gelu mul ", "blocks.0.act head blocks.10.fc ");
}

Test(facts_select, by_name) {
  expect_orders(FACTS_BY_NAME, "9 25 17 ", "gelu mul ", "blocks.0.act blocks.10.fc head ");
}

Test(facts_select, by_time) {
  expect_orders(FACTS_BY_TIME, "25 17 9 ", "mul gelu ", "head blocks.10.fc blocks.0.act ");
}

/* ---- the history ------------------------------------------------------------------------------------------------- */

struct seen {
  size_t count;
  char words[STEPS * BLOCKS][160];
};

static int note(void *context, int step, const struct facts_saved_block *block) {
  struct seen *seen = context;
  cr_assert_lt(seen->count, (size_t)STEPS * BLOCKS);
  snprintf(seen->words[seen->count++], 160, "%d %llu %llu %s %s %s %s %d %s %llu %llu", step,
           (unsigned long long)block->bytes, (unsigned long long)block->elements, block->dtype, block->op, block->layer,
           block->site, block->eligible, block->reason, (unsigned long long)block->holders[0].save_ns,
           (unsigned long long)block->holders[0].release_ns);
  return 0;
}

static int stop(void *context, int step, const struct facts_saved_block *block) {
  (void)block;
  ++*(int *)context;
  return step == 1 ? 42 : 0;
}

Test(facts_select, every_saved_block_comes_back_from_a_store) {
  struct analyze_options options = {.history = true};
  struct path path = path_join(run.folder, "run.sqlite");
  struct seen made = {0}, back = {0};
  struct facts stored;
  cr_assert_eq(store_write(path.text, &facts, &err), 0);
  cr_assert_eq(analyze_load(path.text, &stored, &options, &err), 0, "%s", err.message);
  cr_assert_eq(facts_each_saved(&facts, note, &made), 0);
  cr_assert_eq(facts_each_saved(&stored, note, &back), 0);
  cr_assert_eq(made.count, STEPS * BLOCKS);
  cr_assert_eq(back.count, made.count);
  for (size_t i = 0; i < made.count; i++) {
    cr_expect_str_eq(back.words[i], made.words[i]);
  }
  facts_fini(&stored);
}

Test(facts_select, a_step_of_a_store) {
  struct analyze_options options = {.history = true};
  struct path path = path_join(run.folder, "run.sqlite");
  struct facts stored;
  cr_assert_eq(store_write(path.text, &facts, &err), 0);
  cr_assert_eq(analyze_load(path.text, &stored, &options, &err), 0, "%s", err.message);
  cr_assert_eq(facts_take_step(&stored, 0), 0);
  cr_assert_eq(facts_take_step(&facts, 0), 0);
  cr_assert_eq(stored.saved_count, facts.saved_count);
  for (size_t i = 0; i < facts.saved_count; i++) {
    cr_expect_eq(stored.saved[i].bytes, facts.saved[i].bytes);
    cr_expect_eq(stored.saved[i].stack, facts.saved[i].stack);
    cr_expect_str_eq(stored.saved[i].op_allocated, facts.saved[i].op_allocated);
  }
  facts_fini(&stored);
}

Test(facts_select, a_visit_can_stop) {
  int visits = 0;
  cr_expect_eq(facts_each_saved(&facts, stop, &visits), 42);
  cr_expect_eq(visits, BLOCKS + 1);
}
