/* A check of gradients as a page of text. */
#include "reports/figures.h"
#include "reports/verify_view.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void print_title(struct sink *sink, const struct verify_view *view, const struct verify_result *result) {
  char line[512];
  const size_t count = result->widths_count ? result->widths[0].start.count : 0;
  const char *what = view->subject == VERIFY_RUN ? "eligible activation" : "parameter";
  if (view->subject == VERIFY_ARRAYS) {
    snprintf(line, sizeof line, "Few-bit gradients of %s against exact ones, on %s", view->name, view->data);
  } else {
    snprintf(line, sizeof line, "Few-bit gradients against exact ones: %zu %s%s of %s", count, what,
             count == 1 ? "" : "s", view->name);
  }
  style_print(sink, STYLE_BOLD, line);
  sink_print(sink, "\n\n");
}

/* The weights before any training: one's own model may come with trained ones. */
static const char *weights_at_start(const struct verify_view *view) {
  return view->subject == VERIFY_TORCH ? "as given" : "as drawn";
}

/* when: of which weights the gradients are, NULL where there is no such choice. */
static void summary_row(struct table *table, const struct verify_width *width, const struct verify_rows *rows,
                        const char *when, const struct verify_limits *limits) {
  if (when) {
    table_cell(table, when);
  }
  table_width_bits(table, width->bits);
  table_cosine(table, rows->min_cosine);
  table_cosine(table, rows->mean_cosine);
  table_relative(table, rows->max_relative_error);
  table_cosine(table, rows->whole.cosine);
  table_relative(table, rows->whole.relative_error);
  table_cell(table, verify_rows_pass(rows, limits) ? "yes" : "NO");
}

static void summary_table(struct sink *sink, const struct verify_view *view, const struct verify_result *result) {
  static const struct table_column columns[] = {
      {"weights", COLUMN_LEFT, STYLE_PLAIN},        {"bits", COLUMN_RIGHT, STYLE_BOLD},
      {"least cosine", COLUMN_RIGHT, STYLE_ACCENT}, {"mean", COLUMN_RIGHT, STYLE_PLAIN},
      {"largest error", COLUMN_RIGHT, STYLE_PLAIN}, {"whole: cosine", COLUMN_RIGHT, STYLE_PLAIN},
      {"error", COLUMN_RIGHT, STYLE_PLAIN},         {"passed", COLUMN_RIGHT, STYLE_BOLD}};
  const bool trained = result->widths_count && result->widths[0].trained.count;
  const size_t skipped = view->subject == VERIFY_MODEL || trained ? 0 : 1; /* nothing else has two sets of weights */
  struct table table;
  char after[48];
  snprintf(after, sizeof after, "after %zu step%s", result->steps, result->steps == 1 ? "" : "s");
  table_init(&table, sink, columns + skipped, sizeof columns / sizeof *columns - skipped);
  for (size_t i = 0; i < result->widths_count; i++) {
    const struct verify_width *width = &result->widths[i];
    summary_row(&table, width, &width->start, skipped ? NULL : weights_at_start(view), &view->limits);
    if (width->trained.count) {
      summary_row(&table, width, &width->trained, after, &view->limits);
    }
  }
  table_print(&table);
}

/* ---- memory and loss --------------------------------------------------------------------------------------------- */

static void memory_row(struct table *table, const char *bits, const char *how, const struct verify_memory *memory) {
  table_cell(table, bits);
  table_cell(table, how);
  table_bytes(table, memory->peak_bytes);
  table_bytes(table, memory->saved_bytes);
}

static void memory_table(struct sink *sink, const struct verify_result *result) {
  static const struct table_column columns[] = {{"bits", COLUMN_RIGHT, STYLE_BOLD},
                                                {"", COLUMN_LEFT, STYLE_PLAIN},
                                                {"peak", COLUMN_RIGHT, STYLE_BOLD},
                                                {"saved", COLUMN_RIGHT, STYLE_PLAIN}};
  struct table table;
  section_print(sink, "Memory");
  sink_print(sink, "\n");
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  memory_row(&table, "exact", "measured", &result->exact);
  for (size_t i = 0; i < result->widths_count; i++) {
    char bits[FORMAT_SIZE];
    memory_row(&table, format_width_bits(bits, result->widths[i].bits), "measured", &result->widths[i].measured);
    memory_row(&table, "", "projected", &result->widths[i].projected);
  }
  table_print(&table);
}

static void loss_table(struct sink *sink, const struct verify_result *result) {
  static const struct table_column columns[] = {{"bits", COLUMN_RIGHT, STYLE_BOLD},
                                                {"first step", COLUMN_RIGHT, STYLE_PLAIN},
                                                {"last step", COLUMN_RIGHT, STYLE_ACCENT}};
  struct table table;
  section_print(sink, "Loss while training");
  sink_print(sink, "\n");
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i <= result->widths_count; i++) {
    const float *losses = i ? result->widths[i - 1].losses : result->losses;
    table_width_bits(&table, i ? result->widths[i - 1].bits : 0);
    table_fixed(&table, 5, (double)losses[0]);
    table_fixed(&table, 5, (double)losses[result->losses_count - 1]);
  }
  table_print(&table);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

struct ranked {
  double cosine;
  size_t row;
};

/* NaN first. */
static int by_cosine(const void *a, const void *b) {
  const struct ranked *x = a, *y = b;
  if (isnan(x->cosine) || isnan(y->cosine)) {
    return isnan(y->cosine) - isnan(x->cosine);
  }
  return x->cosine == y->cosine ? (x->row > y->row) - (x->row < y->row) : (x->cosine > y->cosine) ? 1 : -1;
}

/* Numbers of the rows to show: all, or those with the least cosine at any width. */
static struct ranked *rank(const struct verify_result *result, size_t rows_max, size_t *shown) {
  const size_t count = result->widths[0].start.count;
  struct ranked *ranked = calloc(count + 1, sizeof *ranked);
  for (size_t row = 0; ranked && row < count; row++) {
    ranked[row] = (struct ranked){1, row};
    for (size_t i = 0; i < result->widths_count; i++) {
      const double cosine = result->widths[i].start.rows[row].gradient.cosine;
      ranked[row].cosine = isnan(cosine) || cosine < ranked[row].cosine ? cosine : ranked[row].cosine;
    }
  }
  *shown = rows_max && rows_max < count ? rows_max : count;
  if (ranked && *shown < count) {
    qsort(ranked, count, sizeof *ranked, by_cosine);
  }
  return ranked;
}

/* Errors only where there is room for them: with a single width. */
static void rows_table(struct sink *sink, const struct verify_result *result, const struct ranked *ranked,
                       size_t shown) {
  struct table_column columns[2 + QUANTIZER_BITS_MAX] = {{"", COLUMN_FLEX, STYLE_PLAIN}};
  char titles[QUANTIZER_BITS_MAX][FORMAT_SIZE];
  const size_t widths = result->widths_count;
  const bool errors = widths == 1;
  struct table table;
  for (size_t i = 0; i < widths; i++) {
    snprintf(titles[i], sizeof titles[i], "%u bit%s", result->widths[i].bits, result->widths[i].bits > 1 ? "s" : "");
    columns[1 + i] = (struct table_column){titles[i], COLUMN_RIGHT, STYLE_ACCENT};
  }
  columns[1 + widths] = (struct table_column){"rel. error", COLUMN_RIGHT, STYLE_PLAIN};
  table_init(&table, sink, columns, 1 + widths + errors);
  for (size_t at = 0; at < shown; at++) {
    table_cell(&table, result->widths[0].start.rows[ranked[at].row].name);
    for (size_t i = 0; i < widths; i++) {
      table_cosine(&table, result->widths[i].start.rows[ranked[at].row].gradient.cosine);
    }
    if (errors) {
      table_relative(&table, result->widths[0].start.rows[ranked[at].row].gradient.relative_error);
    }
  }
  table_print(&table);
}

static void print_rows(struct sink *sink, const struct verify_view *view, const struct verify_result *result) {
  size_t shown;
  struct ranked *ranked = rank(result, view->rows_max, &shown);
  const size_t count = result->widths[0].start.count;
  char title[160];
  if (!ranked) {
    sink_fail(sink, ENOMEM);
    return;
  }
  const char *weights = result->steps ? ", weights " : "", *which = result->steps ? weights_at_start(view) : "";
  if (shown < count) {
    snprintf(title, sizeof title, "Cosine: the least %zu of %zu%s%s (--all shows all)", shown, count, weights, which);
  } else {
    snprintf(title, sizeof title, "Cosine%s%s", weights, which);
  }
  section_print(sink, title);
  sink_print(sink, "\n");
  rows_table(sink, result, ranked, shown);
  free(ranked);
}

/* ---- the page ---------------------------------------------------------------------------------------------------- */

static void print_verdict(struct sink *sink, const struct verify_view *view, const struct verify_result *result) {
  char line[320];
  const bool both = isfinite(view->limits.max_relative_error);
  int used = snprintf(line, sizeof line, "%s: cosine of at least %g", result->passed ? "Passed" : "Fell short",
                      view->limits.min_cosine);
  if (both) {
    used += snprintf(line + used, sizeof line - (size_t)used, " and relative error of at most %g",
                     view->limits.max_relative_error);
  }
  snprintf(line + used, sizeof line - (size_t)used, " at every width and for every row%s.",
           result->passed ? ""
           : both         ? " were asked for"
                          : " was asked for");
  sink_print(sink, "\n");
  paragraph_print(sink, result->passed ? STYLE_GOOD : STYLE_WARN, 0, "", line);
}

static bool start_fell_short(const struct verify_view *view, const struct verify_result *result) {
  bool passed = true;
  for (size_t i = 0; i < result->widths_count; i++) {
    passed = passed && verify_rows_pass(&result->widths[i].start, &view->limits);
  }
  return !passed;
}

static void print_notes(struct sink *sink, const struct verify_view *view, const struct verify_result *result) {
  char line[320];
  if (view->subject == VERIFY_RUN) {
    snprintf(line, sizeof line,
             "The run holds no samples of its values: x and dy are drawn from N(0, 1), seed %llu, for each activation.",
             view->seed);
    paragraph_print(sink, STYLE_DIM, 0, "", line);
  }
  if (view->subject == VERIFY_MODEL) {
    snprintf(line, sizeof line, "On batches of %s%s%s%s, seed %llu.", view->data, view->source ? " (" : " numbers",
             view->source ? view->source : "", view->source ? ")" : "", view->seed);
    paragraph_print(sink, STYLE_DIM, 0, "", line);
  }
  if (view->subject == VERIFY_MODEL && start_fell_short(view, result)) {
    paragraph_print(sink, STYLE_DIM, 0, "",
                    result->steps ? "Gradients of weights as drawn, untrained, are the hardest."
                                  : "Gradients of weights as drawn, untrained, are the hardest; --steps N checks those "
                                    "of trained weights, too.");
  }
  if (view->subject == VERIFY_TORCH && result->skipped) {
    snprintf(line, sizeof line,
             "%zu parameter%s left out, whose gradient is nothing but rounding noise, as that of a bias in front of a "
             "batch norm is; --json has them.",
             result->skipped, result->skipped == 1 ? " is" : "s are");
    paragraph_print(sink, STYLE_DIM, 0, "", line);
  } else if (result->skipped) {
    snprintf(line, sizeof line,
             "%zu eligible activation%s not checked: libfewbit has not their function or type; `actscope replay' lists "
             "them.",
             result->skipped, result->skipped == 1 ? " was" : "s were");
    paragraph_print(sink, STYLE_WARN, 0, "", line);
  }
}

void verify_text_emit(struct sink *sink, const struct verify_view *view, const struct verify_result *result) {
  if (view->subject == VERIFY_RUN && result->widths_count == 0) {
    paragraph_print(sink, STYLE_WARN, 0, "",
                    "Nothing to check: no saved activation of this run has a pointwise nonlinearity for its only "
                    "holder. `actscope report' lists the reasons.");
    return;
  }
  print_title(sink, view, result);
  summary_table(sink, view, result);
  if (result->metered) {
    memory_table(sink, result);
  }
  if (result->losses && result->losses_count > 1) {
    loss_table(sink, result);
  }
  if (view->subject != VERIFY_ARRAYS && result->widths_count) {
    print_rows(sink, view, result);
  }
  print_verdict(sink, view, result);
  print_notes(sink, view, result);
}
