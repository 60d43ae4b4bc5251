/* The text report's tables: run, categories, ops, projection, reasons, steps. */
#include "reports/figures.h"
#include "reports/format.h"
#include "reports/groups.h"
#include "reports/project.h"
#include "reports/report_text.h"
#include "reports/summary.h"
#include "reports/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BAR_COLUMNS = 24 };

/* "  label     text", the text wrapped under itself. */
static void fact(struct sink *sink, const char *label, const char *text) {
  char first[32];
  snprintf(first, sizeof first, "  %-11s", label);
  paragraph_print(sink, STYLE_PLAIN, 13, first, text);
}

static const char *evidence_words(const char *evidence) {
  static const char *const words[][2] = {
      {"probe", "the autograd probe"}, {"hooks", "saved_tensors_hooks"}, {"mark", "the program's marks"}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (strcmp(evidence, words[i][0]) == 0) {
      return words[i][1];
    }
  }
  return NULL;
}

static void run_framework(struct sink *sink, const struct facts_run *run) {
  const char *evidence = evidence_words(run->evidence ? run->evidence : "");
  char text[256];
  if (run->framework && run->framework[0]) {
    snprintf(text, sizeof text, "%.120s%s%s", run->framework, evidence ? ", saves seen by " : "",
             evidence ? evidence : "");
    fact(sink, "framework", text);
  } else if (evidence) {
    fact(sink, "evidence", evidence);
  }
  if (run->confidence > 0) {
    snprintf(text, sizeof text, "inferred from the order of allocations, confidence %.2f", run->confidence);
    fact(sink, "evidence", text);
  }
}

/* Long command lines (a whole `python -c` program) are cut: two lines are enough to know the run again. */
static void run_command(struct sink *sink, const char *command) {
  char *text = format_fit(command, 2 * (sink->width - 14), sink->unicode);
  if (text) {
    fact(sink, "command", text);
  }
  free(text);
}

static void run_process(struct sink *sink, const struct facts_run *run) {
  char text[512], rank[48] = "", status[24] = "unknown";
  if (!run->pid) { /* imported: nothing is known of it */
    return;
  }
  if (run->rank >= 0) {
    snprintf(rank, sizeof rank, run->world_size ? ", rank %d of %d" : ", rank %d", run->rank, run->world_size);
  }
  if (run->exit_status >= 0) {
    snprintf(status, sizeof status, "%d", run->exit_status);
  }
  snprintf(text, sizeof text, "pid %d%s, exit status %s%s", run->pid, rank, status,
           run->complete ? "" : ", trace incomplete");
  fact(sink, "process", text);
}

static void run_recorded(struct sink *sink, const struct facts_run *run) {
  char text[256], wall[FORMAT_SIZE], events[FORMAT_SIZE], size[FORMAT_SIZE], threads[FORMAT_SIZE], blocks[96];
  snprintf(blocks, sizeof blocks, "blocks of %s or more", format_round_bytes(size, run->min_size));
  snprintf(text, sizeof text, "%s, %s event%s (%s), %s thread%s", format_duration(wall, run->wall_ns),
           format_count(events, run->events), run->events == 1 ? "" : "s", run->min_size > 1 ? blocks : "every block",
           format_count(threads, run->threads), run->threads == 1 ? "" : "s");
  fact(sink, "recorded", text);
}

/* "3,000 below 4 KiB"; nothing where there are none. */
static void below_words(char *out, size_t size, const char *before, uint64_t blocks, uint64_t bytes,
                        const struct facts_run *run) {
  char count[FORMAT_SIZE], least[FORMAT_SIZE], sum[FORMAT_SIZE];
  out[0] = '\0';
  if (blocks) {
    snprintf(out, size, "%s%s below %s (%s)", before, format_count(count, blocks),
             format_round_bytes(least, run->min_size), format_bytes(sum, bytes));
  }
}

static void run_traffic(struct sink *sink, const struct facts *facts) {
  const struct facts_traffic *all = &facts->traffic, *small = &facts->small_traffic;
  char text[320], count[FORMAT_SIZE], bytes[FORMAT_SIZE], temporary[FORMAT_SIZE], below[128];
  if (all->allocations + small->allocations == 0) {
    return;
  }
  below_words(below, sizeof below, "; and ", small->allocations, small->bytes, &facts->run);
  snprintf(text, sizeof text, "%s block%s, %s in all; %s of them given back at once%s",
           format_count(count, all->allocations), all->allocations == 1 ? "" : "s", format_bytes(bytes, all->bytes),
           format_count(temporary, all->temporary), below);
  fact(sink, "allocated", text);
  below_words(below, sizeof below, "; and ", small->end_blocks, small->end_bytes, &facts->run);
  snprintf(text, sizeof text, "%s in %s block%s%s", format_bytes(bytes, all->end_bytes),
           format_count(count, all->end_blocks), all->end_blocks == 1 ? "" : "s", below);
  fact(sink, "at end", text);
}

void report_text_run(struct sink *sink, const struct facts *facts) {
  const struct facts_run *run = &facts->run;
  section_print(sink, "Run");
  run_command(sink, run->command ? run->command : "");
  run_process(sink, run);
  run_framework(sink, run);
  run_recorded(sink, run);
  if (!summary_has_evidence(facts)) {
    run_traffic(sink, facts);
  }
}

/* ---- categories ---------------------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b, void *facts) {
  const uint64_t *bytes = ((const struct facts *)facts)->categories;
  int first = *(const int *)a, second = *(const int *)b;
  if (bytes[first] != bytes[second]) {
    return bytes[first] < bytes[second] ? 1 : -1;
  }
  return first - second;
}

static void category_row(struct table *table, const struct facts *facts, int category) {
  char name[REPORT_TEXT_CATEGORY_SIZE], bar[BAR_SIZE];
  double share = (double)facts->categories[category] / (double)facts->peak.bytes;
  report_text_category(name, (enum category)category);
  table_cell(table, name);
  table_bytes(table, facts->categories[category]);
  table_percent(table, (double)facts->categories[category], (double)facts->peak.bytes);
  table_cell(table, bar_format(bar, share, BAR_COLUMNS, table->sink->unicode));
}

void report_text_categories(struct sink *sink, const struct facts *facts) {
  static const struct table_column columns[] = {{"", COLUMN_FLEX, STYLE_PLAIN},
                                                {"", COLUMN_RIGHT, STYLE_PLAIN},
                                                {"", COLUMN_RIGHT, STYLE_PLAIN},
                                                {"", COLUMN_LEFT, STYLE_ACCENT}};
  int order[CATEGORY_COUNT];
  struct table table;
  if (!facts->peak.bytes || !summary_tells_categories(facts)) {
    return;
  }
  for (int i = 0; i < CATEGORY_COUNT; i++) {
    order[i] = i;
  }
  qsort_r(order, CATEGORY_COUNT, sizeof *order, by_bytes, (void *)facts);
  section_print(sink, "At the peak");
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  for (int i = 0; i < CATEGORY_COUNT && facts->categories[order[i]]; i++) {
    category_row(&table, facts, order[i]);
  }
  table_print(&table);
}

/* ---- ops ----------------------------------------------------------------------------------------------------- */

static void bytes_or_dash(struct table *table, uint64_t bytes) {
  if (bytes) {
    table_bytes(table, bytes);
  } else {
    table_cell(table, "-");
  }
}

static void op_row(struct table *table, const struct facts *facts, const struct facts_op *op) {
  char bar[BAR_SIZE];
  table_cell(table, op->op);
  table_bytes(table, op->bytes);
  table_percent(table, (double)op->bytes, (double)facts->saved_bytes);
  table_cell(table, bar_format(bar, (double)op->bytes / (double)facts->saved_bytes, 10, table->sink->unicode));
  bytes_or_dash(table, op->exclusive_bytes);
  bytes_or_dash(table, op->eligible_bytes);
  table_count(table, op->blocks);
}

void report_text_by_op(struct sink *sink, const struct facts *facts, const struct report_options *options) {
  static const struct table_column columns[] = {
      {"op", COLUMN_FLEX, STYLE_BOLD},           {"bytes", COLUMN_RIGHT, STYLE_PLAIN},
      {"share", COLUMN_RIGHT, STYLE_PLAIN},      {"", COLUMN_LEFT, STYLE_ACCENT},
      {"held alone", COLUMN_RIGHT, STYLE_PLAIN}, {"eligible", COLUMN_RIGHT, STYLE_GOOD},
      {"blocks", COLUMN_RIGHT, STYLE_PLAIN}};
  struct table table;
  char title[128], bytes[FORMAT_SIZE], blocks[FORMAT_SIZE];
  uint64_t rest = 0;
  if (!facts->by_op_count) {
    return;
  }
  snprintf(title, sizeof title, "Saved for backward in step %d: %s in %s block%s, by op", facts->saved_step,
           format_bytes(bytes, facts->saved_bytes), format_count(blocks, facts->saved_blocks),
           facts->saved_blocks == 1 ? "" : "s");
  section_print(sink, title);
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < facts->by_op_count; i++) {
    if (i < options->top) {
      op_row(&table, facts, &facts->by_op[i]);
    } else {
      rest += facts->by_op[i].bytes;
    }
  }
  table_print(&table);
  if (facts->by_op_count > options->top) {
    report_text_rest(sink, "op", facts->by_op_count - options->top, rest);
  }
}

void report_text_projection(struct sink *sink, const struct facts *facts) {
  if (facts->projections_count && report_text_has_evidence(facts)) {
    section_print(sink, "Peak with few-bit codes in place of eligible blocks");
    project_table_print(sink, facts);
  }
}

void report_text_gradients(struct sink *sink, const struct report_options *options) {
  static const struct table_column columns[] = {{"bits", COLUMN_RIGHT, STYLE_BOLD},
                                                {"least cosine", COLUMN_RIGHT, STYLE_PLAIN},
                                                {"mean cosine", COLUMN_RIGHT, STYLE_PLAIN},
                                                {"largest relative error", COLUMN_RIGHT, STYLE_PLAIN}};
  struct table table;
  char bits[16], title[64 + GRADIENTS_SUBJECT_SIZE];
  if (!options->gradients) {
    return;
  }
  section_print(sink, "Few-bit gradients against exact ones");
  snprintf(title, sizeof title, "of %s", options->gradients->subject);
  paragraph_print(sink, STYLE_DIM, 2, "  ", title);
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < options->gradients->count; i++) {
    const struct gradients_width *width = &options->gradients->widths[i];
    snprintf(bits, sizeof bits, "%u", width->bits);
    table_cell(&table, bits);
    table_cosine(&table, width->min_cosine);
    table_cosine(&table, width->mean_cosine);
    table_relative(&table, width->max_relative_error);
  }
  table_print(&table);
}

/* ---- why (not) ----------------------------------------------------------------------------------------------- */

/* A reason is a sentence: it wraps beside its figures, which a table's column would cut. */
static void reason_row(struct sink *sink, const struct facts *facts, const struct group_reason *reason) {
  char first[160], bytes[FORMAT_SIZE], share[FORMAT_SIZE];
  snprintf(first, sizeof first, "  %-3s  %10s  %6s  ", reason->eligible ? "yes" : "no",
           format_bytes(bytes, reason->bytes),
           format_percent(share, (double)reason->bytes, (double)facts->saved_bytes));
  paragraph_print(sink, reason->eligible ? STYLE_GOOD : STYLE_PLAIN, format_width(first), first, reason->text);
}

void report_text_reasons(struct sink *sink, const struct facts *facts) {
  struct group_reason reasons[GROUP_REASONS_MAX];
  size_t count = groups_of_reasons(facts, reasons);
  if (count) {
    section_print(sink, "What codes can replace, and why not the rest");
  }
  for (size_t i = 0; i < count; i++) {
    reason_row(sink, facts, &reasons[i]);
  }
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

/* Orders pointers to steps by what they saved: the middle one is the typical step. */
static int step_order(const void *a, const void *b) {
  const struct facts_step *first = *(const struct facts_step *const *)a, *second = *(const struct facts_step *const *)b;
  if (first->saved_bytes != second->saved_bytes) {
    return first->saved_bytes < second->saved_bytes ? -1 : 1;
  }
  return first->index < second->index ? -1 : first->index > second->index;
}

static const struct facts_step *typical_step(const struct facts *facts) {
  const struct facts_step **order = calloc(facts->steps_count, sizeof(struct facts_step *)), *typical = facts->steps;
  if (order) {
    for (size_t i = 0; i < facts->steps_count; i++) {
      order[i] = &facts->steps[i];
    }
    qsort(order, facts->steps_count, sizeof *order, step_order);
    typical = order[facts->steps_count / 2];
  }
  free(order);
  return typical;
}

static void step_row(struct table *table, const char *label, const struct facts_step *step) {
  char text[FORMAT_SIZE];
  table_cell(table, label);
  snprintf(text, sizeof text, "%u%s", step->index, step->complete ? "" : " (cut off)");
  table_cell(table, text);
  table_cell(table, format_duration(text, step->begin_ns));
  table_cell(table, format_duration(text, step->end_ns - step->begin_ns));
  table_bytes(table, step->peak_bytes);
  table_bytes(table, step->saved_bytes);
  table_count(table, step->saved_blocks);
}

struct extent {
  uint64_t least, most;
};

static void extend(struct extent *extent, uint64_t value) {
  extent->least = value < extent->least ? value : extent->least;
  extent->most = value > extent->most ? value : extent->most;
}

static const char *extent_words(char out[static 2 * FORMAT_SIZE + 8], struct extent extent) {
  char least[FORMAT_SIZE], most[FORMAT_SIZE];
  format_bytes(least, extent.least);
  format_bytes(most, extent.most);
  if (strcmp(least, most) == 0) {
    snprintf(out, 2 * FORMAT_SIZE + 8, "%s", most);
  } else {
    snprintf(out, 2 * FORMAT_SIZE + 8, "%s to %s", least, most);
  }
  return out;
}

static void steps_ranges(struct sink *sink, const struct facts *facts) {
  struct extent peak = {UINT64_MAX, 0}, saved = {UINT64_MAX, 0};
  char first[2 * FORMAT_SIZE + 8], second[2 * FORMAT_SIZE + 8], text[512], count[FORMAT_SIZE];
  size_t complete = 0;
  for (size_t i = 0; i < facts->steps_count; i++) {
    if (facts->steps[i].complete) {
      extend(&peak, facts->steps[i].peak_bytes);
      extend(&saved, facts->steps[i].saved_bytes);
      complete++;
    }
  }
  if (complete > 1) {
    snprintf(text, sizeof text, "over %s complete steps: peak %s, saved %s", format_count(count, complete),
             extent_words(first, peak), extent_words(second, saved));
    paragraph_print(sink, STYLE_DIM, 2, "  ", text);
  }
}

void report_text_steps(struct sink *sink, const struct facts *facts) {
  static const struct table_column columns[] = {
      {"", COLUMN_LEFT, STYLE_PLAIN},           {"step", COLUMN_LEFT, STYLE_BOLD},
      {"begins at", COLUMN_RIGHT, STYLE_PLAIN}, {"takes", COLUMN_RIGHT, STYLE_PLAIN},
      {"peak", COLUMN_RIGHT, STYLE_PLAIN},      {"saved", COLUMN_RIGHT, STYLE_PLAIN},
      {"blocks", COLUMN_RIGHT, STYLE_PLAIN}};
  struct table table;
  if (!facts->steps_count) {
    return;
  }
  section_print(sink, "Steps");
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  step_row(&table, "first", &facts->steps[0]);
  if (facts->steps_count > 2) {
    step_row(&table, "typical", typical_step(facts));
  }
  if (facts->steps_count > 1) {
    step_row(&table, "last", &facts->steps[facts->steps_count - 1]);
  }
  table_print(&table);
  steps_ranges(sink, facts);
}
