/* The comparison as a page to read: headline, what may mislead, and the tables, each with the largest change first. What
 * changed by less than the tolerance is counted, not listed. */
#include "reports/diff.h"
#include "reports/format.h"
#include "reports/summary.h"
#include "reports/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct page {
  struct sink *sink;
  const struct comparison *comparison;
  const struct diff_options *options;
};

/* ---- figures ------------------------------------------------------------------------------------------------------- */

static const char *signed_bytes(char out[static FORMAT_SIZE], int64_t change) {
  char magnitude[FORMAT_SIZE];
  format_bytes(magnitude, change < 0 ? -(uint64_t)change : (uint64_t)change);
  snprintf(out, FORMAT_SIZE, "%s%.40s", change < 0 ? "-" : change ? "+" : "", magnitude);
  return out;
}

/* "+13.9%", "<0.1%" either way; "new" and "gone" where there is nothing to compare with. */
static const char *signed_percent(char out[static FORMAT_SIZE], uint64_t before, uint64_t after) {
  char magnitude[FORMAT_SIZE];
  double change = (double)after - (double)before;
  if (!before || !after || before == after) {
    snprintf(out, FORMAT_SIZE, "%s", before == after ? "" : after ? "new" : "gone");
  } else {
    format_percent(magnitude, change < 0 ? -change : change, (double)before);
    snprintf(out, FORMAT_SIZE, "%s%.40s", *magnitude == '<' ? "" : after < before ? "-" : "+", magnitude);
  }
  return out;
}

/* The change of two figures of the same kind, each as `format` has them. */
static void put_change(struct table *table, uint64_t before, uint64_t after,
                       const char *(*format)(char out[static FORMAT_SIZE], uint64_t value)) {
  char text[FORMAT_SIZE], magnitude[FORMAT_SIZE];
  format(magnitude, after < before ? before - after : after - before);
  snprintf(text, sizeof text, "%s%.40s", after < before ? "-" : "+", magnitude);
  table_cell(table, before == after ? "same" : text);
  table_cell(table, signed_percent(text, before, after));
}

static void put_figures(struct table *table, uint64_t before, uint64_t after) {
  char text[FORMAT_SIZE];
  table_cell(table, before ? format_bytes(text, before) : "-");
  table_cell(table, after ? format_bytes(text, after) : "-");
  put_change(table, before, after, format_bytes);
}

#define FIGURE_COLUMNS                                                                                                 \
  {"before", COLUMN_RIGHT, STYLE_PLAIN}, {"after", COLUMN_RIGHT, STYLE_PLAIN}, {"change", COLUMN_RIGHT, STYLE_CHANGE}, \
  {                                                                                                                    \
    "", COLUMN_RIGHT, STYLE_PLAIN                                                                                      \
  }

/* ---- the headline -------------------------------------------------------------------------------------------------- */

static void headline_same(const struct page *page, char *text, size_t size) {
  const struct comparison *comparison = page->comparison;
  char peak[FORMAT_SIZE], tolerance[FORMAT_SIZE], share[FORMAT_SIZE];
  format_bytes(peak, comparison->facts[COMPARE_AFTER]->peak.bytes);
  if (comparison->identical) {
    snprintf(text, size, "Nothing changed: both runs peak at %s, with the same figures throughout.", peak);
  } else {
    snprintf(text, size, "The same: both runs peak at %s, and nothing changed by more than %s (%s of the peak).", peak,
             format_bytes(tolerance, comparison->tolerance), format_percent(share, page->options->share, 1));
  }
}

static void headline_changed(const struct page *page, char *text, size_t size) {
  const struct comparison *comparison = page->comparison;
  uint64_t before = comparison->facts[0]->peak.bytes, after = comparison->facts[1]->peak.bytes;
  struct compare_row row = {.bytes = {before, after}};
  char a[FORMAT_SIZE], b[FORMAT_SIZE], change[FORMAT_SIZE], percent[FORMAT_SIZE];
  format_bytes(a, before);
  format_bytes(b, after);
  format_bytes(change, after < before ? before - after : after - before);
  if (!compare_matters(comparison, &row)) {
    snprintf(text, size, "The peak is the same, %s; but other figures changed.", b);
  } else {
    format_percent(percent, after < before ? (double)(before - after) : (double)(after - before), (double)before);
    snprintf(text, size, "The peak %s by %s (%s), from %s to %s.", after < before ? "fell" : "rose", change, percent, a,
             b);
  }
}

static void headline(const struct page *page) {
  char text[512];
  (page->comparison->same ? headline_same : headline_changed)(page, text, sizeof text);
  paragraph_print(page->sink, STYLE_BOLD, 0, "", text);
}

static void projected(const struct page *page) {
  const struct facts_projection *projection = compare_projected(page->comparison);
  uint64_t peak = page->comparison->facts[COMPARE_AFTER]->peak.bytes;
  char text[320], bytes[FORMAT_SIZE];
  if (projection) {
    const double off = 100 * ((double)projection->peak_bytes / (double)peak - 1);
    snprintf(text, sizeof text,
             "What is saved fell as %u-bit codes would have it; the first run's projection for them was a peak of %s, "
             "%.2f%% %s than the second run's.",
             projection->bits, format_bytes(bytes, projection->peak_bytes), off < 0 ? -off : off,
             off < 0 ? "less" : "more");
    paragraph_print(page->sink, STYLE_PLAIN, 0, "", text);
  }
}

/* ---- runs and warnings --------------------------------------------------------------------------------------------- */

static void show_run(const struct page *page, const char *label, enum compare_side side) {
  const struct facts_run *run = &page->comparison->facts[side]->run;
  char first[16], *line = NULL, *fitted = NULL;
  snprintf(first, sizeof first, "  %-6s  ", label);
  if (asprintf(&line, "%s: %s%s%s%s", page->options->names[side], run->command ? run->command : "",
               run->framework && *run->framework ? " (" : "", run->framework ? run->framework : "",
               run->framework && *run->framework ? ")" : "") < 0) {
    line = NULL;
  }
  fitted = line ? format_fit(line, 2 * (page->sink->width - 11), page->sink->unicode) : NULL;
  paragraph_print(page->sink, STYLE_PLAIN, 10, first, fitted ? fitted : "");
  free(fitted);
  free(line);
}

static void show_runs(const struct page *page) {
  section_print(page->sink, "Runs");
  show_run(page, "before", COMPARE_BEFORE);
  show_run(page, "after", COMPARE_AFTER);
}

static void show_doubts(const struct page *page) {
  if (page->comparison->doubts) {
    section_print(page->sink, "Not wholly comparable");
  }
  for (int i = 0; i < COMPARE_DOUBTS; i++) {
    if (page->comparison->doubts & 1u << i) {
      char words[DIFF_DOUBT_SIZE];
      diff_doubt_words(page->comparison, (enum compare_doubt)(1u << i), words);
      item_print(page->sink, STYLE_WARN, words);
    }
  }
}

/* ---- the peak ------------------------------------------------------------------------------------------------------ */

static void moment(struct table *table, const char *label, const struct facts *facts) {
  static const char *const where[PHASE_COUNT] = {"step", "forward of step", "backward of step", "update of step"};
  const struct facts_peak *peak = &facts->peak;
  char text[96], time[FORMAT_SIZE];
  table_cell(table, label);
  table_bytes(table, peak->bytes);
  if (facts->steps_count == 0) {
    snprintf(text, sizeof text, "at %s", format_duration(time, peak->time_ns));
  } else if (peak->step < 0) {
    snprintf(text, sizeof text, "outside any step, at %s", format_duration(time, peak->time_ns));
  } else {
    snprintf(text, sizeof text, "%s %d, at %s", where[peak->phase], peak->step, format_duration(time, peak->time_ns));
  }
  table_cell(table, text);
}

static void show_peak(const struct page *page) {
  static const struct table_column columns[] = {
      {"", COLUMN_LEFT, STYLE_PLAIN}, {"", COLUMN_RIGHT, STYLE_BOLD}, {"", COLUMN_FLEX, STYLE_PLAIN}};
  struct table table;
  section_print(page->sink, "Peak");
  table_init(&table, page->sink, columns, sizeof columns / sizeof *columns);
  moment(&table, "before", page->comparison->facts[COMPARE_BEFORE]);
  moment(&table, "after", page->comparison->facts[COMPARE_AFTER]);
  table_print(&table);
}

/* ---- lists --------------------------------------------------------------------------------------------------------- */

static void put_category_name(char out[static 32], enum category category) {
  snprintf(out, 32, "%s", category_names[category]);
  for (char *c = out; *c; c++) {
    *c = *c == '_' ? ' ' : *c;
  }
}

static void put_name(struct table *table, const struct compare_row *row) {
  table_cell(table, row->name[0] ? row->name : "(none)");
}

static void put_category(struct table *table, const struct compare_row *row) {
  char name[32];
  put_category_name(name, row->category);
  table_cell(table, name);
}

/* "and 12 more changes, -3.1 MiB in all; --top 0 shows them": what is hidden is never hidden silently. */
static void show_rest(const struct page *page, size_t hidden, int64_t change, size_t below) {
  char text[256], bytes[FORMAT_SIZE], count[FORMAT_SIZE], share[FORMAT_SIZE];
  if (hidden) {
    snprintf(text, sizeof text, "and %s more change%s, %s in all; --top 0 shows %s", format_count(count, hidden),
             hidden == 1 ? "" : "s", signed_bytes(bytes, change), hidden == 1 ? "it" : "them");
    paragraph_print(page->sink, STYLE_DIM, 2, "  ", text);
  }
  if (below) {
    snprintf(text, sizeof text, "and %s change%s of %s of the peak or less", format_count(count, below),
             below == 1 ? "" : "s", format_percent(share, page->options->share, 1));
    paragraph_print(page->sink, STYLE_DIM, 2, "  ", text);
  }
}

/* The rows that are worth a line, which come first, since rows are sorted by their change. */
static size_t count_matter(const struct page *page, const struct compare_table *rows) {
  size_t count = 0;
  while (count < rows->count && compare_matters(page->comparison, &rows->rows[count])) {
    count++;
  }
  return count;
}

/* Shows rows one by one as far as --top goes, and counts the rest; nothing at all where no row matters. */
static void show_rows(const struct page *page, const char *title, const struct compare_table *rows, void *context,
                      void (*show)(const struct page *, void *context, const struct compare_row *),
                      void (*end)(void *context)) {
  size_t matter = count_matter(page, rows), changed = matter;
  size_t shown = page->options->top && page->options->top < matter ? page->options->top : matter;
  int64_t rest = 0;
  if (!matter) {
    return;
  }
  section_print(page->sink, title);
  for (size_t i = 0; i < matter; i++) {
    if (i < shown) {
      show(page, context, &rows->rows[i]);
    } else {
      rest += compare_change(&rows->rows[i]);
    }
  }
  if (end) {
    end(context);
  }
  while (changed < rows->count && compare_change(&rows->rows[changed])) {
    changed++;
  }
  show_rest(page, matter - shown, rest, changed - matter);
}

struct named_table { /* of figures by name */
  struct table table;
  void (*put)(struct table *table, const struct compare_row *row); /* the name */
};

static void show_named(const struct page *page, void *context, const struct compare_row *row) {
  struct named_table *named = context;
  (void)page;
  named->put(&named->table, row);
  put_figures(&named->table, row->bytes[COMPARE_BEFORE], row->bytes[COMPARE_AFTER]);
}

static void end_named(void *context) {
  table_print(&((struct named_table *)context)->table);
}

static void show_table(const struct page *page, const char *title, const char *name, const struct compare_table *rows,
                       void (*put)(struct table *, const struct compare_row *)) {
  const struct table_column columns[] = {{name, COLUMN_FLEX, STYLE_BOLD}, FIGURE_COLUMNS};
  struct named_table named = {.put = put};
  table_init(&named.table, page->sink, columns, sizeof columns / sizeof *columns);
  show_rows(page, title, rows, &named, show_named, end_named);
}

/* "  -2.0 MiB  saved activation, by add: 18.1 MiB, then 16.1 MiB", and the site below: it is too long for a column. */
static void show_site(const struct page *page, void *context, const struct compare_row *row) {
  char first[64], text[256], category[32], change[FORMAT_SIZE], before[FORMAT_SIZE], after[FORMAT_SIZE];
  int64_t bytes = compare_change(row);
  (void)context;
  put_category_name(category, row->category);
  format_bytes(before, row->bytes[COMPARE_BEFORE]);
  format_bytes(after, row->bytes[COMPARE_AFTER]);
  snprintf(text, sizeof text, "%s%s%.80s: %s%s%s", category, row->op[0] ? ", by " : "", row->op,
           row->there[COMPARE_BEFORE] ? before : after, row->there[COMPARE_BEFORE] ? ", then " : ", new",
           !row->there[COMPARE_BEFORE] ? ""
           : row->there[COMPARE_AFTER] ? after
                                       : "gone");
  snprintf(first, sizeof first, "  %10s  ", signed_bytes(change, bytes));
  paragraph_print(page->sink, bytes > 0 ? STYLE_WARN : STYLE_GOOD, 14, first, text);
  paragraph_print(page->sink, STYLE_DIM, 14, "", row->name[0] ? row->name : "(no stack)");
}

/* "  +1.0 MiB  1.5 MiB in 300 blocks, then 2.5 MiB in 500", and the site below. */
static void show_left(const struct page *page, void *context, const struct compare_row *row) {
  char first[64], text[256], change[FORMAT_SIZE], sides[COMPARE_SIDES][2 * FORMAT_SIZE + 16];
  const int64_t bytes = compare_change(row);
  (void)context;
  for (int side = 0; side < COMPARE_SIDES; side++) {
    char size[FORMAT_SIZE], blocks[FORMAT_SIZE];
    snprintf(sides[side], sizeof sides[side], "%s in %s", format_bytes(size, row->bytes[side]),
             format_count(blocks, row->blocks[side]));
  }
  snprintf(text, sizeof text, "%s, then %s", row->there[COMPARE_BEFORE] ? sides[COMPARE_BEFORE] : "nothing",
           row->there[COMPARE_AFTER] ? sides[COMPARE_AFTER] : "nothing");
  snprintf(first, sizeof first, "  %10s  ", signed_bytes(change, bytes));
  paragraph_print(page->sink, bytes > 0 ? STYLE_WARN : STYLE_GOOD, 14, first, text);
  paragraph_print(page->sink, STYLE_DIM, 14, "", row->name[0] ? row->name : "(no stack)");
}

/* For programs of which nothing else is known, as in their reports. */
static void show_all_left(const struct page *page) {
  const struct comparison *comparison = page->comparison;
  if (!summary_has_evidence(comparison->facts[0]) && !summary_has_evidence(comparison->facts[1])) {
    show_rows(page, "Not given back at the end, by site (bytes in blocks)", &comparison->left, NULL, show_left, NULL);
  }
}

static void show_saved(const struct page *page) {
  const struct facts *before = page->comparison->facts[0], *after = page->comparison->facts[1];
  char title[224], a[FORMAT_SIZE], b[FORMAT_SIZE], change[FORMAT_SIZE];
  format_bytes(a, before->saved_bytes);
  format_bytes(b, after->saved_bytes);
  signed_bytes(change, (int64_t)(after->saved_bytes - before->saved_bytes));
  snprintf(title, sizeof title, "Saved for backward: %s, then %s (%s), by op", a, b, change);
  show_table(page, title, "op", &page->comparison->ops, put_name);
  if (!(page->comparison->doubts & COMPARE_LAYERS)) {
    show_table(page, "Saved for backward, by layer", "layer", &page->comparison->like_layers, put_name);
  }
}

/* ---- steps and projection ------------------------------------------------------------------------------------------ */

static void put_counts(struct table *table, const char *name, uint64_t before, uint64_t after) {
  table_cell(table, name);
  table_count(table, before);
  table_count(table, after);
  put_change(table, before, after, format_count);
}

static void put_times(struct table *table, const char *name, uint64_t before, uint64_t after) {
  char text[FORMAT_SIZE];
  table_cell(table, name);
  table_cell(table, format_duration(text, before));
  table_cell(table, format_duration(text, after));
  put_change(table, before, after, format_duration);
}

/* Always whole: that steps are the same is something to know. */
static void show_steps(const struct page *page) {
  const struct table_column columns[] = {{"", COLUMN_FLEX, STYLE_BOLD}, FIGURE_COLUMNS};
  const struct compare_steps *before = &page->comparison->steps[0], *after = &page->comparison->steps[1];
  struct table table;
  if (!before->count && !after->count) {
    return;
  }
  section_print(page->sink, "Steps (medians of the complete ones)");
  table_init(&table, page->sink, columns, sizeof columns / sizeof *columns);
  put_counts(&table, "complete", before->complete, after->complete);
  if (before->complete && after->complete) {
    put_times(&table, "takes", before->duration_ns, after->duration_ns);
    table_cell(&table, "peak");
    put_figures(&table, before->peak_bytes, after->peak_bytes);
    table_cell(&table, "saved");
    put_figures(&table, before->saved_bytes, after->saved_bytes);
  }
  table_print(&table);
}

static bool has_projection(const struct facts *facts) {
  return facts->projections_count && facts->saved_count;
}

static void show_projection(const struct page *page) {
  const struct table_column columns[] = {{"bits", COLUMN_FLEX, STYLE_BOLD}, FIGURE_COLUMNS};
  const struct compare_table *rows = &page->comparison->projections;
  struct table table;
  if (!has_projection(page->comparison->facts[0]) && !has_projection(page->comparison->facts[1])) {
    return;
  }
  section_print(page->sink, "Projected peak with few-bit codes");
  table_init(&table, page->sink, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < rows->count; i++) {
    char bits[16];
    snprintf(bits, sizeof bits, "%u", rows->rows[i].bits);
    table_cell(&table, bits);
    put_figures(&table, rows->rows[i].bytes[0], rows->rows[i].bytes[1]);
  }
  table_print(&table);
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

void diff_text_emit(struct sink *sink, const struct comparison *comparison, const struct diff_options *options) {
  const struct page page = {sink, comparison, options};
  headline(&page);
  projected(&page);
  show_runs(&page);
  show_doubts(&page);
  show_peak(&page);
  show_table(&page, "At the peak", "category", &comparison->categories, put_category);
  show_saved(&page);
  show_rows(&page, "At the peak, by site", &comparison->sites, NULL, show_site, NULL);
  show_all_left(&page);
  show_steps(&page);
  show_projection(&page);
}
