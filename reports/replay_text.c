/* A replayed run as a page of text. */
#include "reports/figures.h"
#include "reports/replay_view.h"

#include <stdio.h>

static void group_name(char *out, size_t size, const struct replay_group *group) {
  char elements[FORMAT_SIZE], times[32] = "";
  if (group->count > 1) {
    snprintf(times, sizeof times, "%zu x ", group->count);
  }
  snprintf(out, size, "%s%s of %s %s%s%s", times, group->function, format_count(elements, group->elements),
           group->dtype, group->layer[0] ? ", " : "", group->layer);
}

static void group_table(struct sink *sink, const struct replay_group *group, size_t widths) {
  static const struct table_column columns[] = {
      {"bits", COLUMN_RIGHT, STYLE_BOLD},         {"held", COLUMN_RIGHT, STYLE_PLAIN},
      {"projected", COLUMN_RIGHT, STYLE_PLAIN},   {"forward ns", COLUMN_RIGHT, STYLE_PLAIN},
      {"backward ns", COLUMN_RIGHT, STYLE_PLAIN}, {"cosine", COLUMN_RIGHT, STYLE_ACCENT},
      {"rel. error", COLUMN_RIGHT, STYLE_PLAIN}};
  struct table table;
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < widths; i++) {
    const struct replay_width *width = &group->widths[i];
    table_width_bits(&table, width->bits);
    table_bytes(&table, width->held);
    table_bytes(&table, width->projected);
    table_fixed(&table, 3, width->forward_ns);
    table_fixed(&table, 3, width->backward_ns);
    table_cosine(&table, width->gradient.cosine);
    table_relative(&table, width->gradient.relative_error);
  }
  table_print(&table);
}

static void print_groups(struct sink *sink, const struct replay_result *result) {
  for (size_t i = 0; i < result->groups_count; i++) {
    const struct replay_group *group = &result->groups[i];
    char name[256];
    if (!group->skipped) {
      group_name(name, sizeof name, group);
      section_print(sink, name);
      group_table(sink, group, result->widths_count);
    }
  }
}

static void total_table(struct sink *sink, const struct replay_result *result) {
  static const struct table_column columns[] = {
      {"bits", COLUMN_RIGHT, STYLE_BOLD},       {"held", COLUMN_RIGHT, STYLE_BOLD},
      {"projected", COLUMN_RIGHT, STYLE_PLAIN}, {"peak", COLUMN_RIGHT, STYLE_PLAIN},
      {"forward", COLUMN_RIGHT, STYLE_PLAIN},   {"backward", COLUMN_RIGHT, STYLE_PLAIN},
      {"cosine", COLUMN_RIGHT, STYLE_ACCENT},   {"rel. error", COLUMN_RIGHT, STYLE_PLAIN}};
  struct table table;
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < result->widths_count; i++) {
    const struct replay_width *total = &result->total[i];
    char time[FORMAT_SIZE];
    table_width_bits(&table, total->bits);
    table_bytes(&table, total->held);
    table_bytes(&table, total->projected);
    table_bytes(&table, total->peak);
    table_cell(&table, format_duration(time, (uint64_t)total->forward_ns));
    table_cell(&table, format_duration(time, (uint64_t)total->backward_ns));
    table_cosine(&table, total->gradient.cosine);
    table_relative(&table, total->gradient.relative_error);
  }
  table_print(&table);
}

static void skipped(struct sink *sink, const struct replay_result *result) {
  for (size_t i = 0; i < result->groups_count; i++) {
    if (result->groups[i].skipped) {
      char name[256], line[400];
      group_name(name, sizeof name, &result->groups[i]);
      snprintf(line, sizeof line, "Not replayed: %s: %s.", name, result->groups[i].skipped);
      paragraph_print(sink, STYLE_WARN, 2, "  ", line);
    }
  }
}

void replay_text_emit(struct sink *sink, const struct replay_source *source, const struct replay_options *options,
                      const struct replay_result *result) {
  char line[512];
  if (result->activations == 0) {
    paragraph_print(sink, STYLE_WARN, 0, "",
                    "Nothing to replay: no saved activation of this run has a pointwise nonlinearity for its only "
                    "holder. `actscope report' lists the reasons.");
    return;
  }
  snprintf(line, sizeof line, "Eligible activations of step %d replayed: %zu of %zu", source->step, result->replayed,
           result->activations);
  style_print(sink, STYLE_BOLD, line);
  sink_print(sink, "\n");
  print_groups(sink, result);
  section_print(sink, "All of them, forward in their order and back");
  total_table(sink, result);
  sink_print(sink, "\n");
  skipped(sink, result);
  snprintf(line, sizeof line,
           "Held: bytes kept for backward, by the meter; projected: as `actscope project' counts them. Times are ns "
           "an element, the shortest of several. Cosine and relative error against f'(x) dy in double. The run holds "
           "no samples of its "
           "values: x and dy are drawn from N(0, 1), seed %llu.",
           (unsigned long long)options->seed);
  paragraph_print(sink, STYLE_DIM, 2, "  ", line);
}
