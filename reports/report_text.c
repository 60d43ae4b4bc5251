/* The report as a page to read: headline, sections, notes. */
#include "reports/report_text.h"
#include "reports/busy_sites.h"
#include "reports/format.h"
#include "reports/report.h"
#include "reports/summary.h"
#include "reports/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool report_text_has_evidence(const struct facts *facts) {
  return summary_has_evidence(facts);
}

void report_text_rest(struct sink *sink, const char *what, size_t count, uint64_t bytes) {
  char line[128], size[FORMAT_SIZE], number[FORMAT_SIZE];
  snprintf(line, sizeof line, "and %s more %s%s, %s; --top 0 shows all", format_count(number, count), what,
           count == 1 ? "" : "s", format_bytes(size, bytes));
  paragraph_print(sink, STYLE_DIM, 2, "  ", line);
}

void report_text_category(char out[static REPORT_TEXT_CATEGORY_SIZE], enum category category) {
  snprintf(out, REPORT_TEXT_CATEGORY_SIZE, "%s", category_names[category]);
  for (char *c = out; *c; c++) {
    *c = *c == '_' ? ' ' : *c;
  }
}

/* What --op and --layer leave of the step; --step and the times show in the titles. */
void report_text_selection(struct sink *sink, const struct facts *facts, const struct report_options *options) {
  char text[640], bytes[FORMAT_SIZE], all[FORMAT_SIZE], blocks[FORMAT_SIZE];
  const struct facts_selection *selection = options->selection;
  if (!selection || !facts_selection_filters(selection)) {
    return;
  }
  snprintf(
      text, sizeof text,
      "%s%.200s%s%s%.200s: %s in %s block%s, of %s that step %d saved. The peak, the projection and the sites below "
      "are the whole run's.",
      selection->ops ? "held by " : "", selection->ops ? selection->ops : "",
      selection->ops && selection->layers ? ", " : "", selection->layers ? "in layers " : "",
      selection->layers ? selection->layers : "", format_bytes(bytes, report_selected_bytes(facts)),
      format_count(blocks, facts->saved_count), facts->saved_count == 1 ? "" : "s",
      format_bytes(all, facts->saved_bytes), facts->saved_step);
  section_print(sink, "Selected blocks");
  paragraph_print(sink, STYLE_PLAIN, 2, "  ", text);
  if (!facts->saved_count) {
    paragraph_print(sink, STYLE_WARN, 2, "  ",
                    "Nothing matches: the tables by op and by layer of the report without a selection have the names.");
  }
}

static void headline(struct sink *sink, const struct facts *facts) {
  char text[SUMMARY_SIZE];
  summary_sentence(facts, text);
  paragraph_print(sink, STYLE_BOLD, 0, "", text);
}

void report_text_emit(struct sink *sink, const struct facts *facts, const struct report_options *given) {
  struct report_options options = *given;
  options.top = options.top ? options.top : SIZE_MAX;
  headline(sink, facts);
  report_text_run(sink, facts);
  report_text_categories(sink, facts);
  report_text_selection(sink, facts, &options);
  report_text_by_op(sink, facts, &options);
  report_text_by_layer(sink, facts, &options);
  report_text_projection(sink, facts);
  report_text_gradients(sink, &options);
  report_text_reasons(sink, facts);
  report_text_blocks(sink, facts, &options);
  report_text_sites(sink, facts, &options);
  if (!summary_has_evidence(facts)) {
    busy_sites_print(sink, facts, &options);
  }
  report_text_steps(sink, facts);
  report_text_advice(sink, facts);
  summary_notes(facts, note_print, &(struct notes){.sink = sink});
}
