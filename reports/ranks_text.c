/* Several processes as a page to read: the sentence, the main processes, their spread, the machines, the other processes,
 * what could not be read, and notes. */
#include "reports/format.h"
#include "reports/ranks_view.h"
#include "reports/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BAR_COLUMNS = 10, COLUMNS_MAX = 10 };

struct page {
  struct sink *sink;
  const struct ranks *ranks;
  size_t top;
};

/* ---- main processes ------------------------------------------------------------------------------------------------- */

/* "backward 3", "outside" */
static const char *moment(const struct facts_peak *peak, char out[static FORMAT_SIZE]) {
  if (peak->step < 0) {
    snprintf(out, FORMAT_SIZE, "outside");
  } else {
    snprintf(out, FORMAT_SIZE, "%s %d", peak->phase == PHASE_OUTSIDE ? "step" : phase_names[peak->phase], peak->step);
  }
  return out;
}

/* What the columns are, and whether they are there. */
struct layout {
  struct table_column columns[COLUMNS_MAX];
  size_t count;
  bool ranks, machines;
  int bar;
  char few_bit[32];
};

static void add_column(struct layout *layout, const char *title, enum column_kind kind, enum style style) {
  layout->columns[layout->count++] = (struct table_column){title, kind, style};
}

static void lay_out(const struct ranks *ranks, struct layout *layout) {
  *layout = (struct layout){.ranks = ranks->distributed, .machines = ranks->nodes_count > 1};
  layout->bar = layout->machines ? BAR_COLUMNS - 4 : BAR_COLUMNS;
  snprintf(layout->few_bit, sizeof layout->few_bit, "%u-bit", ranks->few_bit_bits);
  if (layout->ranks) {
    add_column(layout, "rank", COLUMN_RIGHT, STYLE_BOLD);
  }
  if (layout->machines) {
    add_column(layout, "machine", COLUMN_FLEX, STYLE_PLAIN);
  }
  add_column(layout, "pid", COLUMN_RIGHT, STYLE_PLAIN);
  add_column(layout, "peak", COLUMN_RIGHT, STYLE_BOLD);
  add_column(layout, "", COLUMN_LEFT, STYLE_ACCENT);
  add_column(layout, "in", COLUMN_LEFT, STYLE_PLAIN);
  add_column(layout, "saved", COLUMN_RIGHT, STYLE_PLAIN);
  if (ranks->few_bit_bits) {
    add_column(layout, layout->few_bit, COLUMN_RIGHT, STYLE_GOOD);
  }
  add_column(layout, "state", COLUMN_LEFT, STYLE_PLAIN);
}

static void put_main(const struct page *page, const struct layout *layout, struct table *table, size_t index) {
  const struct ranks *ranks = page->ranks;
  const struct ranks_process *process = &ranks->processes[index];
  char text[RANKS_NAME_SIZE], bar[BAR_SIZE];
  if (layout->ranks) {
    snprintf(text, sizeof text, "%d", process->rank);
    table_cell(table, process->rank >= 0 ? text : "-");
  }
  if (layout->machines) {
    table_cell(table, process->host);
  }
  snprintf(text, sizeof text, "%d", process->pid);
  table_cell(table, text);
  table_bytes(table, process->peak.bytes);
  table_cell(table, bar_format(bar, ranks->peak.highest ? (double)process->peak.bytes / (double)ranks->peak.highest : 0,
                               layout->bar, page->sink->unicode));
  table_cell(table, moment(&process->peak, text));
  table_percent(table, (double)process->categories[CATEGORY_SAVED_ACTIVATION], (double)process->peak.bytes);
  if (ranks->few_bit_bits) {
    table_bytes(table, ranks_few_bit_peak(ranks, process));
  }
  table_cell(table, ranks_state(process, text));
}

static void show_rest(const struct page *page, size_t hidden, const char *what) {
  char text[96], count[FORMAT_SIZE];
  if (hidden) {
    snprintf(text, sizeof text, "and %s more %s; --top 0 shows all", format_count(count, hidden), what);
    paragraph_print(page->sink, STYLE_DIM, 2, "  ", text);
  }
}

static const struct ranks *sorted; /* for qsort, which hands nothing on */

static int by_peak(const void *a, const void *b) {
  size_t x = *(const size_t *)a, y = *(const size_t *)b;
  uint64_t left = sorted->processes[x].peak.bytes, right = sorted->processes[y].peak.bytes;
  return left != right ? (left < right ? 1 : -1) : (x > y) - (x < y);
}

/* In their order; where not all are shown, those with the highest peaks. Returns indices for free(), NULL: no memory. */
static size_t *list_mains(const struct page *page) {
  const struct ranks *ranks = page->ranks;
  size_t *list = calloc(ranks->mains, sizeof *list), count = 0;
  for (size_t i = 0; list && i < ranks->processes_count; i++) {
    if (ranks->processes[i].role == RANKS_MAIN) {
      list[count++] = i;
    }
  }
  if (list && page->top < count) {
    sorted = ranks;
    qsort(list, count, sizeof *list, by_peak);
  }
  return list;
}

static void show_mains(const struct page *page) {
  const struct ranks *ranks = page->ranks;
  const char *const title = ranks->distributed ? "Ranks" : ranks->mains > 1 ? "Main processes" : "Main process";
  struct layout layout;
  struct table table;
  size_t *list = list_mains(page), shown = 0;
  if (!list) {
    sink_fail(page->sink, ENOMEM);
    return;
  }
  lay_out(ranks, &layout);
  section_print(page->sink, title);
  table_init(&table, page->sink, layout.columns, layout.count);
  for (; shown < ranks->mains && shown < page->top; shown++) {
    put_main(page, &layout, &table, list[shown]);
  }
  table_print(&table);
  show_rest(page, ranks->mains - shown, "with lower peaks");
  free(list);
}

/* ---- spread --------------------------------------------------------------------------------------------------------- */

static void put_spread(const struct page *page, struct table *table, const char *name,
                       const struct ranks_spread *spread) {
  char text[RANKS_NAME_SIZE];
  table_cell(table, name);
  table_bytes(table, spread->lowest);
  table_bytes(table, spread->median);
  table_bytes(table, spread->highest);
  table_cell(table, ranks_name(page->ranks, spread->at_highest, text));
  table_percent(table, spread->imbalance, 1);
}

static void show_spread(const struct page *page) {
  static const struct table_column columns[] = {
      {"", COLUMN_LEFT, STYLE_BOLD},         {"lowest", COLUMN_RIGHT, STYLE_PLAIN},
      {"median", COLUMN_RIGHT, STYLE_PLAIN}, {"highest", COLUMN_RIGHT, STYLE_BOLD},
      {"in", COLUMN_LEFT, STYLE_PLAIN},      {"over mean", COLUMN_RIGHT, STYLE_PLAIN},
  };
  const struct ranks *ranks = page->ranks;
  struct table table;
  char few_bit[48];
  if (ranks->mains < 2) {
    return;
  }
  section_print(page->sink, "Spread");
  table_init(&table, page->sink, columns, sizeof columns / sizeof *columns);
  put_spread(page, &table, "peak", &ranks->peak);
  if (ranks->saved.highest) {
    put_spread(page, &table, "saved for backward", &ranks->saved);
  }
  if (ranks->few_bit_bits) {
    snprintf(few_bit, sizeof few_bit, "peak with %u-bit codes", ranks->few_bit_bits);
    put_spread(page, &table, few_bit, &ranks->few_bit);
  }
  table_print(&table);
}

/* ---- machines ------------------------------------------------------------------------------------------------------- */

static const char *const role_plurals[RANKS_ROLES] = {"main processes", "workers", "helpers", "launchers", "others"};

/* "ranks 400.1 MiB, workers 16.0 MiB"; nothing where one sort has it all. */
static void show_shares(const struct page *page, const struct ranks_node *node) {
  char text[256] = "", bytes[FORMAT_SIZE];
  int shares = 0;
  for (int role = 0; role < RANKS_ROLES; role++) {
    const char *name = role == RANKS_MAIN && page->ranks->distributed ? "ranks" : role_plurals[role];
    size_t length = strlen(text);
    if (node->at_peak[role]) {
      snprintf(text + length, sizeof text - length, "%s%s %s", length ? ", " : "", name,
               format_bytes(bytes, node->at_peak[role]));
      shares++;
    }
  }
  if (shares > 1) {
    paragraph_print(page->sink, STYLE_DIM, 14, "              ", text);
  }
}

static void show_node(const struct page *page, const struct ranks_node *node) {
  char first[160], text[256], bytes[FORMAT_SIZE], sum[FORMAT_SIZE], time[FORMAT_SIZE], share[FORMAT_SIZE];
  size_t processes = 0;
  for (int role = 0; role < RANKS_ROLES; role++) {
    processes += node->counts[role];
  }
  snprintf(first, sizeof first, "  %10s  ", format_bytes(bytes, node->peak_bytes));
  snprintf(text, sizeof text, "on %.64s at %s, %zu process%s%s; %s of the sum of their peaks, %s",
           *node->host ? node->host : "a machine unknown", format_duration(time, node->time_ns), processes,
           processes == 1 ? "" : "es", node->exact ? "" : " (an upper bound)",
           format_percent(share, (double)node->peak_bytes, (double)node->sum_of_peaks),
           format_bytes(sum, node->sum_of_peaks));
  paragraph_print(page->sink, STYLE_BOLD, 14, first, text);
  show_shares(page, node);
}

static void show_nodes(const struct page *page) {
  size_t shown = 0;
  if (page->ranks->processes_count < 2) {
    return;
  }
  section_print(page->sink, page->ranks->nodes_count > 1 ? "Most at one time, by machine" : "Most at one time");
  for (; shown < page->ranks->nodes_count && shown < page->top; shown++) {
    show_node(page, &page->ranks->nodes[shown]);
  }
  show_rest(page, page->ranks->nodes_count - shown, "machines");
}

/* ---- the others ----------------------------------------------------------------------------------------------------- */

static void put_group(const struct page *page, struct table *table, const struct ranks_group *group) {
  const struct ranks_process *largest = &page->ranks->processes[group->largest];
  char text[RANKS_NAME_SIZE], *command = format_clean(largest->command, true);
  snprintf(text, sizeof text, "%s%s", ranks_role_names[group->role], group->count > 1 ? "s" : "");
  table_count(table, group->count);
  table_cell(table, text);
  table_cell(table, group->main == RANKS_NONE ? "" : ranks_name(page->ranks, group->main, text));
  table_bytes(table, largest->peak.bytes);
  table_bytes(table, group->at_node_peak);
  table_cell(table, group->role == RANKS_WORKER ? "" : command ? command : "");
  free(command);
}

static void show_others(const struct page *page) {
  static const struct table_column columns[] = {
      {"", COLUMN_RIGHT, STYLE_BOLD},
      {"", COLUMN_LEFT, STYLE_BOLD},
      {"of", COLUMN_LEFT, STYLE_PLAIN},
      {"highest peak", COLUMN_RIGHT, STYLE_PLAIN},
      {"at that time", COLUMN_RIGHT, STYLE_PLAIN},
      {"command", COLUMN_FLEX, STYLE_DIM},
  };
  struct ranks_group *groups;
  struct table table;
  size_t count, shown = 0;
  if (ranks_groups(page->ranks, &groups, &count) != 0) {
    sink_fail(page->sink, ENOMEM);
    return;
  }
  if (count) {
    section_print(page->sink, "Other processes");
    table_init(&table, page->sink, columns, sizeof columns / sizeof *columns);
    for (; shown < count && shown < page->top; shown++) {
      put_group(page, &table, &groups[shown]);
    }
    table_print(&table);
    show_rest(page, count - shown, "groups");
  }
  free(groups);
}

static void show_failures(const struct page *page) {
  if (page->ranks->failures_count) {
    section_print(page->sink, "Not read");
  }
  for (size_t i = 0; i < page->ranks->failures_count; i++) {
    item_print(page->sink, STYLE_WARN, page->ranks->failures[i].reason);
  }
}

/* ---- all ------------------------------------------------------------------------------------------------------------ */

void ranks_text_emit(struct sink *sink, const struct ranks *ranks, const struct report_options *options) {
  const struct page page = {sink, ranks, options->top ? options->top : SIZE_MAX};
  char sentence[RANKS_SENTENCE_SIZE];
  paragraph_print(sink, STYLE_BOLD, 0, "", ranks_sentence(ranks, sentence));
  if (ranks->mains) {
    show_mains(&page);
    show_spread(&page);
    show_nodes(&page);
    show_others(&page);
  }
  show_failures(&page);
  ranks_notes(ranks, note_print, &(struct notes){.sink = sink});
}
