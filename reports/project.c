/* What few-bit gradients would save: the table by bits. */
#include "reports/project.h"

#include "reports/format.h"
#include "reports/json.h"
#include "reports/summary.h"
#include "reports/table.h"

#include <stdio.h>

enum { BAR_COLUMNS = 20 };

static void projection_row(struct table *table, const struct facts *facts, const struct facts_projection *p) {
  char text[FORMAT_SIZE], bits[16], bar[BAR_SIZE];
  snprintf(bits, sizeof bits, "%u", p->bits);
  table_cell(table, bits);
  table_bytes(table, p->peak_bytes);
  table_cell(table,
             bar_format(bar, (double)p->peak_bytes / (double)facts->peak.bytes, BAR_COLUMNS, table->sink->unicode));
  table_cell(table, format_signed_bytes(text, p->saving_bytes));
  table_percent(table, (double)p->saving_bytes, (double)facts->peak.bytes);
  table_bytes(table, p->eligible_bytes);
  table_bytes(table, p->code_bytes);
}

void project_table_print(struct sink *sink, const struct facts *facts) {
  static const struct table_column columns[] = {
      {"bits", COLUMN_RIGHT, STYLE_BOLD},  {"peak", COLUMN_RIGHT, STYLE_PLAIN},
      {"", COLUMN_LEFT, STYLE_GOOD},       {"saving", COLUMN_RIGHT, STYLE_BOLD},
      {"", COLUMN_RIGHT, STYLE_PLAIN},     {"replaced", COLUMN_RIGHT, STYLE_PLAIN},
      {"codes", COLUMN_RIGHT, STYLE_PLAIN}};
  struct table table;
  char bar[BAR_SIZE];
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  table_cell(&table, "now");
  table_bytes(&table, facts->peak.bytes);
  table_cell(&table, bar_format(bar, 1, BAR_COLUMNS, sink->unicode));
  for (int i = 3; i < 7; i++) {
    table_cell(&table, "");
  }
  for (size_t i = 0; i < facts->projections_count; i++) {
    projection_row(&table, facts, &facts->projections[i]);
  }
  table_print(&table);
}

/* Sentences for what the figures alone do not say. */
static void project_remarks(struct sink *sink, const struct facts *facts, const char *functions) {
  const struct facts_projection *any = facts->projections;
  char text[SUMMARY_NOTE_SIZE];
  if (facts->projections_count && any->eligible_bytes == 0) {
    sink_print(sink, "\n");
    paragraph_print(
        sink, STYLE_WARN, 2, "  ",
        facts->saved_step < 0 ? "Nothing to replace: no op was seen saving anything. `actscope report` says why."
        : functions[0] ? "Nothing to replace: none of these functions is the only holder of a saved activation here."
                       : "Nothing to replace: no pointwise nonlinearity is the only holder of a saved activation here. "
                         "`actscope report` lists the reasons.");
  } else if (facts->projections_count && any->saving_bytes <= 0) {
    sink_print(sink, "\n");
    paragraph_print(sink, STYLE_WARN, 2, "  ",
                    "The peak does not fall: it lies where the replaced blocks are not "
                    "alive, or what lives beside them sets it.");
  } else if (summary_unapplied(facts, functions, text)) {
    sink_print(sink, "\n");
    paragraph_print(sink, STYLE_PLAIN, 2, "  ", text);
  }
}

void project_text_emit(struct sink *sink, const struct facts *facts, const char *functions) {
  style_print(sink, STYLE_BOLD, "Peak with few-bit codes in place of eligible blocks");
  sink_print(sink, "\n\n");
  if (functions[0]) {
    paragraph_print(sink, STYLE_PLAIN, 2, "  codes only for: ", functions);
    sink_print(sink, "\n");
  }
  project_table_print(sink, facts);
  project_remarks(sink, facts, functions);
}

void project_json_emit(struct sink *sink, const struct facts *facts, const char *functions) {
  json_t *root = json_begin("actscope.project/1");
  json_put_text(root, "functions", functions);
  json_put_count(root, "peak_bytes", facts->peak.bytes);
  json_object_set_new(root, "projection", report_json_projections(facts->projections, facts->projections_count));
  json_emit(sink, root);
}
