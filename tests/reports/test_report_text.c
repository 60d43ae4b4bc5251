/* The page, as golden text: plain, with line characters, with colours, cut short, for runs of every sort. */
#include "analyzers/strings.h"
#include "reports/advice_words.h"
#include "reports/collapsed.h"
#include "reports/format.h"
#include "reports/project.h"
#include "reports/report.h"
#include "reports/summary.h"
#include "tests/reports/golden.h"
#include "tests/reports/sample_facts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct facts facts;
static struct sink sink;
static struct error err;

static void set_up(void) {
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
}

static void tear_down(void) {
  facts_fini(&facts);
  free(sink.memory);
}

TestSuite(report_text, .init = set_up, .fini = tear_down);

static void emit(size_t top) {
  report_backend_find("text")->emit(&sink, &facts, &(struct report_options){.top = top});
  cr_assert_eq(sink_close(&sink, &err), 0);
}

Test(report_text, gpt_plain) {
  sample_facts_gpt(&facts);
  emit(10);
  golden_expect_within(sink.memory, 80);
  golden_expect("report_gpt.txt", sink.memory, sink.memory_size);
}

Test(report_text, gpt_lines_and_colours) {
  sample_facts_gpt(&facts);
  sink.unicode = sink.color = true;
  emit(2);
  golden_expect("report_gpt_terminal.txt", sink.memory, sink.memory_size);
}

Test(report_text, narrow_terminal) {
  sample_facts_gpt(&facts);
  sink.width = 60;
  sink.unicode = true;
  emit(3);
  for (char *line = strtok(sink.memory, "\n"); line; line = strtok(NULL, "\n")) {
    cr_expect(format_width(line) <= 60 || strstr(line, "  ") == line, "too wide: %s", line);
  }
}

Test(report_text, plain_program_cut_off) {
  sample_facts_plain(&facts);
  emit(10);
  golden_expect_within(sink.memory, 80);
  cr_expect_null(strchr(sink.memory, '\033'), "a name sent an escape sequence");
  golden_expect("report_plain.txt", sink.memory, sink.memory_size);
}

Test(report_text, nothing_at_all) {
  facts.saved_step = facts.peak.step = -1; /* otherwise zeroed: a trace without one event */
  emit(10);
  cr_expect_not_null(strstr(sink.memory, "peaked at 0 B"));
}

/* No blame: the program was trained, its own hooks hide what it keeps. */
Test(report_text, backward_passes_that_keep_nothing_seen) {
  static char framework[] = "pytorch 2.13.0";
  facts.run.framework = framework;
  facts.steps = calloc(1, sizeof *facts.steps);
  facts.steps_count = 1;
  facts.steps[0] = (struct facts_step){.end_ns = 3, .backward_ns = 1, .backward_end_ns = 2, .complete = true};
  emit(10);
  cr_expect_not_null(strstr(sink.memory, "Backward passes were seen"));
  cr_expect_not_null(strstr(sink.memory, "torch.utils.checkpoint"));
  cr_expect_null(strstr(sink.memory, "Was the program trained"));
  cr_expect_null(strstr(sink.memory, "launcher"));
}

Test(report_text, a_snapshot_does_not_tell_of_autograd) {
  facts.run.framework = (char *)"pytorch memory snapshot";
  emit(10);
  cr_expect_not_null(strstr(sink.memory, "A memory snapshot does not tell what autograd saved"));
  cr_expect_null(strstr(sink.memory, "Was the program trained"));
  facts.run.framework = NULL;
}

/* With a function that keeps its result the page says what to give apply: that one and what it replaces by itself. */
Test(report_text, functions_that_apply_leaves_exact) {
  sample_facts_gpt(&facts);
  emit(10);
  cr_expect_null(strstr(sink.memory, "leaves exact"));
  free(sink.memory);
  set_up();
  facts.by_op[0].op = strings_intern(facts.strings, "relu");
  facts.by_op[0].eligible_bytes = 1000;
  facts.projections[2].saving_bytes = 1000;
  emit(10);
  char note[SUMMARY_NOTE_SIZE];
  cr_assert_not_null(summary_unapplied(&facts, "", note));
  cr_expect_not_null(strstr(note, "codes for relu, which"));
  cr_expect_not_null(strstr(note, "actscope apply --bits 3 --functions relu,gelu"));
  cr_expect_not_null(strstr(sink.memory, "leaves"));
  cr_expect_not_null(summary_unapplied(&facts, "silu,ReLU", note));
  cr_expect_not_null(strstr(note, "--functions relu"));
  cr_expect_null(summary_unapplied(&facts, "gelu", note));
  facts.run.framework = strings_intern(facts.strings, "");
  cr_expect_null(summary_unapplied(&facts, "", note), "apply is for PyTorch");
}

Test(report_text, codes_for_programs_without_a_framework) {
  sample_facts_gpt(&facts);
  char words[ADVICE_WORDS_SIZE];
  const struct facts_advice advice = {.kind = ADVICE_FEW_BITS, .bits = 3, .ops = (char *)"gelu", .layers = (char *)""};
  cr_expect_not_null(strstr(advice_words(&facts.run, &advice, words), "actscope apply --bits 3"));
  facts.run.framework = strings_intern(facts.strings, "");
  cr_expect_null(strstr(advice_words(&facts.run, &advice, words), "apply"));
  cr_expect_not_null(strstr(words, "actscope/fewbit.h"));
}

Test(report_text, files_that_changed_since) {
  sample_facts_gpt(&facts);
  emit(10);
  cr_expect_null(strstr(sink.memory, "have no names"));
  free(sink.memory);
  set_up();
  facts.modules[0].problem = strings_intern(facts.strings, "has changed since the run was recorded");
  emit(10);
  cr_expect_not_null(strstr(sink.memory, "The functions of /usr/lib/libtorch_cpu.so have no names: the file has"));
  cr_expect_null(strstr(sink.memory, "other file"));
}

Test(report_text, codes_on_top_are_told_as_more) {
  sample_facts_gpt(&facts);
  facts.projections[2].saving_bytes = -1024;
  facts.projections[2].peak_bytes = facts.peak.bytes + 1024;
  emit(10);
  cr_expect_not_null(strstr(sink.memory, "1.0 KiB (<0.1%) more."));
  cr_expect_not_null(strstr(sink.memory, "-1.0 KiB"));
}

Test(report_text, top_hides_nothing_silently) {
  sample_facts_gpt(&facts);
  emit(1);
  cr_expect_not_null(strstr(sink.memory, "and 5 more ops, 288.0 MiB; --top 0 shows all"));
  cr_expect_not_null(strstr(sink.memory, "and 16 more blocks, 216.0 MiB; --top 0 shows all"));
  cr_expect_not_null(strstr(sink.memory, "and 1 more site, 20.0 MiB; --top 0 shows all"));
}

/* Layers of a Sequential are called 0, 1, 2, which says nothing without a word. */
Test(report_text, a_block_alone_tells_its_layer) {
  sample_facts_gpt(&facts);
  const size_t all = facts.saved_count;
  facts.saved_count = 1;
  emit(10);
  facts.saved_count = all; /* for facts_fini */
  cr_expect_not_null(strstr(sink.memory, "\n                   layer blocks.0"), "%s", sink.memory);
}

Test(report_text, a_selection_of_nothing_tells_where_names_are) {
  struct facts_selection selection = FACTS_SELECT_ALL;
  sample_facts_gpt(&facts);
  selection.ops = "gelo";
  cr_assert_eq(facts_select(&facts, &selection, &err), 0);
  report_backend_find("text")->emit(&sink, &facts, &(struct report_options){.top = 10, .selection = &selection});
  cr_assert_eq(sink_close(&sink, &err), 0);
  cr_expect_not_null(strstr(sink.memory, "held by gelo: 0 B in 0 blocks"));
  cr_expect_not_null(strstr(sink.memory, "Nothing matches: the tables by op and by layer"));
}

Test(report_text, top_zero_is_everything) {
  sample_facts_gpt(&facts);
  emit(0);
  cr_expect_null(strstr(sink.memory, "--top 0"));
}

/* Pieces of arenas are called by their names, and what they mean for the figures is told. */
Test(report_text, arenas) {
  sample_facts_gpt(&facts);
  for (size_t i = 0; i < facts.saved_count; i++) {
    facts.saved[i].name = facts.saved[i].eligible ? "sum" : i % 2 ? "odd" : "even";
    facts.saved[i].in_arena = true;
  }
  facts.peak.step = -1;
  facts.peak.phase = PHASE_OUTSIDE;
  facts.steps[2].peak_bytes = facts.peak.bytes;
  emit(10);
  golden_expect_within(sink.memory, 80);
  cr_expect_not_null(strstr(sink.memory, "4 x  24.0 MiB  sum, held by gelu; from addmm"));
  cr_expect_not_null(strstr(sink.memory, "4 x  24.0 MiB  held by addmm; from gelu"), "of two names, neither");
  cr_expect_not_null(strstr(sink.memory, "outside any step (step 2 is\nas high)"));
  cr_expect_not_null(strstr(sink.memory, "  * 312.0 MiB of what is saved lies in arenas"));
}

Test(report_text, project) {
  sample_facts_gpt(&facts);
  project_text_emit(&sink, &facts, "gelu");
  cr_assert_eq(sink_close(&sink, &err), 0);
  golden_expect("project_gpt.txt", sink.memory, sink.memory_size);
}

Test(report_text, collapsed) {
  uint64_t sum = 0;
  sample_facts_gpt(&facts);
  collapsed_emit(&sink, &facts);
  cr_assert_eq(sink_close(&sink, &err), 0);
  golden_expect("collapsed_gpt.txt", sink.memory, sink.memory_size);
  for (char *line = strtok(sink.memory, "\n"); line; line = strtok(NULL, "\n")) {
    sum += strtoull(strrchr(line, ' ') + 1, NULL, 10);
  }
  cr_expect_eq(sum, facts.peak.bytes);
}

/* Who says so, and how sure it is; a shaky inference is a warning. */
Test(report_text, inferred) {
  sample_facts_gpt(&facts);
  facts.run.confidence = 0.714;
  emit(10);
  golden_expect_within(sink.memory, 80);
  cr_expect_not_null(strstr(sink.memory, "inferred from the order of allocations, confidence 0.71"));
  cr_expect_not_null(strstr(sink.memory, "  * Steps and saved activations are inferred"));
}

/* Nothing is claimed; what lies there all the time is pointed out. */
Test(report_text, activations_may_lie_there_all_the_time) {
  sample_facts_plain(&facts);
  facts.peak.lasting_bytes = facts.peak.bytes / 2 + 1;
  emit(10);
  cr_expect_not_null(strstr(sink.memory, "501 B of the peak (50.1%)"));
  cr_expect_not_null(strstr(sink.memory, "If the program trains"));
}

Test(report_text, blocks_that_come_and_go_are_no_lasting_activations) {
  sample_facts_plain(&facts);
  facts.peak.lasting_bytes = facts.peak.bytes / 2;
  emit(10);
  cr_expect_null(strstr(sink.memory, "If the program trains"));
}
