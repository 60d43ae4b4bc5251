/* A plan as a page of text. */
#include "reports/figures.h"
#include "reports/plan_view.h"
#include "reports/saved_view.h"

#include <stdio.h>
#include <string.h>

/* "optimizer state" */
static const char *kind_text(char out[static FORMAT_SIZE], enum memory_kind kind) {
  snprintf(out, FORMAT_SIZE, "%s", memory_kind_name(kind));
  for (char *at = out; (at = strchr(at, '_')); at++) {
    *at = ' ';
  }
  return out;
}

static void peak_table(struct sink *sink, const struct plan *plan) {
  static const struct table_column columns[] = {
      {"bits", COLUMN_RIGHT, STYLE_BOLD},    {"peak", COLUMN_RIGHT, STYLE_BOLD}, {"", COLUMN_LEFT, STYLE_GOOD},
      {"saving", COLUMN_RIGHT, STYLE_PLAIN}, {"", COLUMN_RIGHT, STYLE_PLAIN},    {"saved", COLUMN_RIGHT, STYLE_PLAIN}};
  enum { BAR_COLUMNS = 20 };
  const size_t exact = plan->runs[0].train.meter.peak;
  struct table table;
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < plan->widths_count; i++) {
    const struct memory *meter = &plan->runs[i].train.meter;
    char text[FORMAT_SIZE], bar[BAR_SIZE];
    table_width_bits(&table, plan->runs[i].bits);
    table_bytes(&table, meter->peak);
    table_cell(&table, bar_format(bar, (double)meter->peak / (double)exact, BAR_COLUMNS, sink->unicode));
    table_cell(&table, i ? format_signed_bytes(text, (int64_t)exact - (int64_t)meter->peak) : "");
    if (i) {
      table_percent(&table, (double)exact - (double)meter->peak, (double)exact);
    } else {
      table_cell(&table, "");
    }
    table_bytes(&table, plan->runs[i].saved_bytes);
  }
  table_print(&table);
}

static void kinds_table(struct sink *sink, const struct plan *plan) {
  static const struct table_column columns[] = {
      {"", COLUMN_LEFT, STYLE_PLAIN}, {"bytes", COLUMN_RIGHT, STYLE_BOLD}, {"", COLUMN_RIGHT, STYLE_PLAIN}};
  const struct memory *meter = &plan->runs[0].train.meter;
  struct table table;
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  for (int kind = 0; kind < MEMORY_KINDS; kind++) {
    char text[FORMAT_SIZE];
    table_cell(&table, kind_text(text, (enum memory_kind)kind));
    table_bytes(&table, meter->at_peak[kind]);
    table_percent(&table, (double)meter->at_peak[kind], (double)meter->peak);
    if (kind == MEMORY_ACTIVATION) {
      table_cell(&table, "  of it saved");
      table_bytes(&table, meter->saved_at_peak);
      table_percent(&table, (double)meter->saved_at_peak, (double)meter->peak);
    }
  }
  table_print(&table);
}

void plan_text_emit(struct sink *sink, const struct plan *plan) {
  char line[FIGURES_LINE_SIZE], text[FIGURES_LINE_SIZE + 160], count[FORMAT_SIZE];
  snprintf(text, sizeof text, "%s; %s parameters, %s, float32", format_model(line, &plan->runs[0].model),
           format_count(count, plan->runs[0].parameters), optimizer_name(plan->optimizer.kind));
  paragraph_print(sink, STYLE_BOLD, 0, "", text);
  sink_print(sink, "\n");
  peak_table(sink, plan);
  section_print(sink, "At the exact peak");
  sink_print(sink, "\n");
  kinds_table(sink, plan);
  section_print(sink, "Saved for backward by op");
  sink_print(sink, "\n");
  saved_op_table_print(sink, plan->by_op, plan->runs, plan->widths_count);
  section_print(sink, "Saved for backward by layer");
  sink_print(sink, "\n");
  saved_table_print(sink, plan->runs, plan->widths_count);
  sink_print(sink, "\n");
  saved_rise_print(sink, plan->runs, plan->widths_count);
  paragraph_print(
      sink, STYLE_DIM, 2, "  ",
      "One step of training, by the code that `actscope replay' runs, over a meter that gives no memory. All "
      "numbers are float32, codes apart; dropout keeps one bit an element. What an allocator and the "
      "libraries need besides is not counted.");
}

void models_text_emit(struct sink *sink, const struct preset *presets) {
  static const struct table_column columns[] = {{"model", COLUMN_LEFT, STYLE_BOLD},
                                                {"what it is", COLUMN_FLEX, STYLE_PLAIN}};
  struct table table;
  table_init(&table, sink, columns, 2);
  for (; presets->name; presets++) {
    table_cell(&table, presets->name);
    table_cell(&table, presets->summary);
  }
  table_print(&table);
  sink_print(sink, "\n");
  paragraph_print(sink, STYLE_DIM, 2, "  ",
                  "Any size can be set with --set KEY=VALUE, or in a FILE.model of `key = value' lines.");
}
