/* A quantizer as a page of text. */
#include "reports/quantizer_view.h"
#include "reports/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_title(struct sink *sink, const struct quantizer *quantizer) {
  const struct function_traits *traits = function_traits(quantizer->function);
  char title[320], weight[96];
  int used = snprintf(title, sizeof title, "%s", quantizer->name);
  for (unsigned i = 0; i < traits->params; i++) {
    if (quantizer->params[i] != traits->defaults[i]) {
      used +=
          snprintf(title + used, sizeof title - (size_t)used, ", %s %g", traits->param_names[i], quantizer->params[i]);
    }
  }
  snprintf(title + used, sizeof title - (size_t)used, ": %u bit%s, %s, %s", quantizer->bits,
           quantizer->bits > 1 ? "s" : "", quantizer_method_name(quantizer->method),
           weight_format(&quantizer->weight, weight, sizeof weight));
  section_print(sink, title);
}

static void print_figure(struct sink *sink, const char *name, const char *value) {
  sink_print(sink, "  %-16s %s\n", name, value);
}

static void print_certificate(struct sink *sink, const struct quantizer *quantizer) {
  char text[160];
  snprintf(text, sizeof text, "%u on %u interval%s", quantizer->levels_count, quantizer->intervals,
           quantizer->intervals > 1 ? "s" : "");
  print_figure(sink, "levels", text);
  if (quantizer->error == 0) {
    print_figure(sink, "error", "0: exact");
    return;
  }
  snprintf(text, sizeof text, "%.6g; no other is below %.6g", quantizer->error, quantizer->lower_bound);
  if (quantizer->lower_bound > 0) { /* else what there is is rounding */
    const size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, " (%.2g%% less)", 100 * (1 - quantizer->lower_bound / quantizer->error));
  }
  print_figure(sink, "error", text);
  snprintf(text, sizeof text, "%.6f", quantizer->cosine);
  print_figure(sink, "gradient cosine", text);
  snprintf(text, sizeof text, "%.1e from the conditions of an optimum", quantizer->residual);
  print_figure(sink, "residual", text);
}

/* A table for alpha 2 is not to be taken for a bad one for alpha 1. */
static void print_other_params(struct sink *sink, const struct quantizer *quantizer,
                               const struct quantizer_rival *rival) {
  const struct function_traits *traits = function_traits(quantizer->function);
  sink_print(sink, "\nThe other table is for other parameters: ");
  for (unsigned i = 0; i < traits->params; i++) {
    sink_print(sink, "%s%s %.15g, here %.15g", i ? "; " : "", traits->param_names[i], rival->params[i],
               quantizer->params[i]);
  }
  sink_print(sink, ".\nBoth errors are for the parameters here.\n");
}

static void print_rival(struct sink *sink, const struct quantizer *quantizer, const struct quantizer_rival *rival) {
  static const struct table_column columns[] = {{"table", COLUMN_FLEX, STYLE_PLAIN},
                                                {"error", COLUMN_RIGHT, STYLE_PLAIN},
                                                {"cosine", COLUMN_RIGHT, STYLE_PLAIN},
                                                {"error/ours", COLUMN_RIGHT, STYLE_PLAIN}};
  const double errors[] = {rival->own_error, rival->error}, cosines[] = {rival->own_cosine, rival->cosine};
  const char *const names[] = {"this one", rival->name};
  struct table table;
  sink_print(sink, "\n");
  table_init(&table, sink, columns, 4);
  for (int i = 0; i < 2; i++) {
    char text[48];
    table_cell(&table, names[i]);
    snprintf(text, sizeof text, "%.6g", errors[i]);
    table_cell(&table, text);
    snprintf(text, sizeof text, "%.6f", cosines[i]);
    table_cell(&table, text);
    snprintf(text, sizeof text, "%.3f", rival->own_error > 0 ? errors[i] / rival->own_error : 1);
    table_cell(&table, rival->own_error > 0 || errors[i] == 0 ? text : "-");
  }
  table_print(&table);
  if (rival->other_params) {
    print_other_params(sink, quantizer, rival);
  }
}

/* Six places, or seven figures where those show too little or too much; below noise it is 0, and nothing reads as -0. */
static const char *format_number(char out[static 32], double x, double noise) {
  const double size = fabs(x);
  snprintf(out, 32, size > noise && (size < 1e-3 || size > 1e5) ? "%.7g" : "%.6f", size > noise ? x : 0);
  return out;
}

/* A breakpoint; the float just above 0 reads as what it means. */
static const char *format_end(char out[static 32], double x, const struct weight *weight) {
  const double reach = fmax(fabs(weight->a), fabs(weight->b)); /* what computing it in double errs by is far less */
  return x > 0 && x < 1e-40 ? strcpy(out, "0+") : format_number(out, x, 1e-12 * reach);
}

static void print_intervals(struct sink *sink, const struct quantizer *quantizer) {
  static const struct table_column columns[] = {{"x from", COLUMN_RIGHT, STYLE_PLAIN},
                                                {"below", COLUMN_RIGHT, STYLE_PLAIN},
                                                {"code", COLUMN_RIGHT, STYLE_PLAIN},
                                                {"level", COLUMN_RIGHT, STYLE_ACCENT}};
  struct table table;
  sink_print(sink, "\n");
  table_init(&table, sink, columns, 4);
  for (unsigned i = 0; i < quantizer->intervals; i++) {
    char text[32];
    table_cell(&table, i ? format_end(text, quantizer->breakpoints_exact[i - 1], &quantizer->weight) : "-inf");
    table_cell(&table, i + 1 < quantizer->intervals
                           ? format_end(text, quantizer->breakpoints_exact[i], &quantizer->weight)
                           : "inf");
    snprintf(text, sizeof text, "%u", quantizer->codes[i]);
    table_cell(&table, text);
    table_cell(&table, format_number(text, quantizer->levels_exact[quantizer->codes[i]], 1e-12));
  }
  table_print(&table);
}

void quantizer_text_emit(struct sink *sink, const struct quantizer *quantizer, const struct quantizer_rival *rival) {
  print_title(sink, quantizer);
  print_certificate(sink, quantizer);
  if (rival) {
    print_rival(sink, quantizer, rival);
  }
  print_intervals(sink, quantizer);
}
