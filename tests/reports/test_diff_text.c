/* A comparison as a page: golden text, and the sentences for what a page may have to say. */
#include "analyzers/compare.h"
#include "reports/diff.h"
#include "reports/format.h"
#include "tests/reports/golden.h"
#include "tests/reports/sample_facts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

static struct facts before, after;
static struct sink sink;
static struct error err;

static void set_up(void) {
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  sample_facts_gpt(&before);
  sample_facts_gpt(&after);
}

static void tear_down(void) {
  facts_fini(&before);
  facts_fini(&after);
  free(sink.memory);
}

TestSuite(diff_text, .init = set_up, .fini = tear_down);

/* As the same program with 3-bit codes would be: 9 MiB in place of 96. */
static void with_codes(void) {
  const uint64_t less = before.projections[2].eligible_bytes - before.projections[2].code_bytes;
  after.peak.bytes = before.projections[2].peak_bytes + 300000;
  after.categories[CATEGORY_SAVED_ACTIVATION] -= less;
  after.categories[CATEGORY_OTHER] += 300000;
  after.saved_bytes -= less;
  after.by_op[1].bytes -= less;
  after.sites[0].bytes = 9 * MIB;
  after.sites[2].site = (char *)"train_gpt.py:33 new";
  for (size_t i = 0; i < after.saved_count; i++) {
    after.saved[i].bytes -= after.saved[i].eligible ? less / 4 : 0;
  }
  for (size_t i = 0; i < after.steps_count; i++) {
    after.steps[i].peak_bytes -= less;
    after.steps[i].saved_bytes -= less;
    after.steps[i].end_ns += 100 * 1000000;
  }
}

static void emit(size_t top) {
  struct comparison comparison;
  const struct diff_options options = {.names = {"before.act", "after.act"}, .share = 0.001, .top = top};
  cr_assert_eq(comparison_make(&comparison, &before, &after, options.share), 0);
  diff_text_emit(&sink, &comparison, &options);
  cr_assert_eq(sink_close(&sink, &err), 0);
  comparison_fini(&comparison);
}

Test(diff_text, few_bits) {
  with_codes();
  emit(10);
  golden_expect_within(sink.memory, 80);
  golden_expect("diff_gpt.txt", sink.memory, sink.memory_size);
}

Test(diff_text, few_bits_at_a_terminal) {
  with_codes();
  sink.unicode = sink.color = true;
  sink.width = 60;
  emit(1);
  golden_expect("diff_gpt_terminal.txt", sink.memory, sink.memory_size);
}

Test(diff_text, identical_runs) {
  emit(10);
  cr_expect_not_null(strstr(sink.memory, "Nothing changed: both runs peak at 485.0 MiB"));
  cr_expect_null(strstr(sink.memory, "Saved for backward"), "no table without a change");
  cr_expect_not_null(strstr(sink.memory, "Steps"), "that steps are the same is something to know");
}

Test(diff_text, a_change_within_the_tolerance) {
  after.sites[0].bytes += 1000;
  emit(10);
  cr_expect_not_null(strstr(sink.memory, "The same: both runs peak at 485.0 MiB"));
}

Test(diff_text, the_same_peak_of_other_things) {
  after.by_op[0].bytes += 10 * MIB;
  emit(10);
  cr_expect_not_null(strstr(sink.memory, "The peak is the same, 485.0 MiB; but other figures changed."));
}

/* A C program that was cut short against a run of PyTorch: everything there is to say about that. */
Test(diff_text, runs_that_are_hardly_comparable) {
  facts_fini(&after);
  sample_facts_plain(&after);
  emit(3);
  golden_expect_within(sink.memory, 80);
  golden_expect("diff_doubts.txt", sink.memory, sink.memory_size);
}

Test(diff_text, which_run_has_lines_of_python) {
  struct comparison lines = {.facts = {&before, &after}, .python_lines = {true, false}};
  char words[DIFF_DOUBT_SIZE];
  diff_doubt_words(&lines, COMPARE_PYTHON_LINES, words);
  cr_expect_not_null(strstr(words, "Only the first run was recorded with --python-stacks"), "%s", words);
  lines = (struct comparison){.facts = {&before, &after}, .python_lines = {false, true}};
  diff_doubt_words(&lines, COMPARE_PYTHON_LINES, words);
  cr_expect_not_null(strstr(words, "Only the second run was recorded with --python-stacks"), "%s", words);
}

/* Two runs of a program of which no save is known: what they leave. */
Test(diff_text, what_is_left) {
  facts_fini(&before);
  facts_fini(&after);
  sample_facts_plain(&before);
  sample_facts_plain(&after);
  after.busy_sites[2].traffic.end_bytes += 3 * MIB;
  after.busy_sites[2].traffic.end_blocks = 500;
  emit(10);
  golden_expect_within(sink.memory, 80);
  cr_expect_not_null(
      strstr(sink.memory, "    +3.0 MiB  2.0 MiB in 199, then 5.0 MiB in 500\n              train.c:90 keep\n"));
  cr_expect_not_null(strstr(sink.memory, "  before  1000 B  at 5.00 ms\n"));
}

Test(diff_text, nothing_at_all) {
  facts_fini(&before);
  facts_fini(&after);
  emit(10);
  cr_expect_not_null(strstr(sink.memory, "Nothing changed: both runs peak at 0 B"));
}
