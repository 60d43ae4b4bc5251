/* Several processes as tables, for CSV and Markdown: one function a table fills in a row. Keys are the JSON's, put together
 * where it has objects within objects. */
#include "reports/format.h"
#include "reports/ranks_view.h"

#include <errno.h>
#include <string.h>

#define COLUMNS(array) array, sizeof(array) / sizeof *(array)

static size_t one(const struct report_rows *rows) {
  (void)rows;
  return 1;
}

static struct report_cell percent(double share) {
  return (struct report_cell){.known = true, .real = 100 * share};
}

static struct report_cell path_of(const struct ranks *ranks, size_t process) {
  const struct report_cell none = {.known = false};
  return process == RANKS_NONE ? none : cell_text(ranks->processes[process].path);
}

/* ---- all together --------------------------------------------------------------------------------------------------- */

static const struct report_column whole_columns[] = {
    {"mains", "main processes", CELL_COUNT},
    {"distributed", NULL, CELL_BOOL},
    {"world_size", "ranks of the job", CELL_NUMBER},
    {"missing_ranks", "ranks that are not here", CELL_COUNT},
    {"processes", "processes", CELL_COUNT},
    {"nodes", "machines", CELL_COUNT},
    {"failures", "files not read", CELL_COUNT},
    {"start_unix_ns", NULL, CELL_NUMBER},
    {"wall_ns", "recorded", CELL_TIME},
    {"highest_path", "highest peak", CELL_TEXT},
};

static void whole_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct ranks *ranks = rows->ranks;
  (void)index;
  *cells++ = cell_count(ranks->mains);
  *cells++ = cell_number(ranks->distributed);
  *cells++ = cell_known(ranks->world_size ? ranks->world_size : -1);
  *cells++ = cell_count(ranks->missing);
  *cells++ = cell_count(ranks->processes_count);
  *cells++ = cell_count(ranks->nodes_count);
  *cells++ = cell_count(ranks->failures_count);
  *cells++ = cell_count(ranks->begin_unix_ns);
  *cells++ = cell_count(ranks->end_unix_ns - ranks->begin_unix_ns);
  *cells++ = path_of(ranks, ranks->peak.at_highest);
}

static const struct report_column spread_columns[] = {
    {"figure", "of", CELL_TEXT},      {"lowest", "lowest", CELL_BYTES},
    {"median", "median", CELL_BYTES}, {"highest", "highest", CELL_BYTES},
    {"mean", "mean", CELL_BYTES},     {"imbalance_percent", "above the mean", CELL_PERCENT},
    {"lowest_path", NULL, CELL_TEXT}, {"highest_path", "highest in", CELL_TEXT},
};

static size_t spread_count(const struct report_rows *rows) {
  return rows->ranks->mains == 0 ? 0 : rows->ranks->few_bit_bits ? 3 : 2;
}

static void spread_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  static const char *const names[] = {"peak_bytes", "saved_bytes", "few_bit_peak_bytes"};
  const struct ranks_spread *const spreads[] = {&rows->ranks->peak, &rows->ranks->saved, &rows->ranks->few_bit};
  const struct ranks_spread *spread = spreads[index];
  *cells++ = cell_text(names[index]);
  *cells++ = cell_count(spread->lowest);
  *cells++ = cell_count(spread->median);
  *cells++ = cell_count(spread->highest);
  *cells++ = cell_count((uint64_t)(spread->mean + 0.5));
  *cells++ = percent(spread->imbalance);
  *cells++ = path_of(rows->ranks, spread->at_lowest);
  *cells++ = path_of(rows->ranks, spread->at_highest);
}

static const struct report_column projection_columns[] = {
    {"bits", "bits", CELL_NUMBER},
    {"highest_peak_bytes", "highest peak", CELL_BYTES},
    {"highest_path", "in", CELL_TEXT},
};

static size_t projection_count(const struct report_rows *rows) {
  return rows->ranks->projections_count;
}

static void projection_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct ranks_projection *projection = &rows->ranks->projections[index];
  cells[0] = cell_number(projection->bits);
  cells[1] = cell_count(projection->highest_peak_bytes);
  cells[2] = path_of(rows->ranks, projection->at_highest);
}

/* ---- machines ------------------------------------------------------------------------------------------------------- */

static const struct report_column node_columns[] = {
    {"host", "machine", CELL_TEXT},
    {"main_processes", "main", CELL_COUNT},
    {"worker_processes", "workers", CELL_COUNT},
    {"helper_processes", "helpers", CELL_COUNT},
    {"launcher_processes", "launchers", CELL_COUNT},
    {"other_processes", "others", CELL_COUNT},
    {"peak_bytes", "most together", CELL_BYTES},
    {"exact", NULL, CELL_BOOL},
    {"time_ns", "at", CELL_TIME},
    {"main_bytes_at_peak", "of main ones", CELL_BYTES},
    {"worker_bytes_at_peak", "of workers", CELL_BYTES},
    {"helper_bytes_at_peak", NULL, CELL_BYTES},
    {"launcher_bytes_at_peak", NULL, CELL_BYTES},
    {"other_bytes_at_peak", NULL, CELL_BYTES},
    {"sum_of_peaks", "sum of peaks", CELL_BYTES},
};

static size_t node_count(const struct report_rows *rows) {
  return rows->ranks->nodes_count;
}

static void node_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct ranks_node *node = &rows->ranks->nodes[index];
  *cells++ = cell_text(node->host);
  for (int role = 0; role < RANKS_ROLES; role++) {
    *cells++ = cell_count(node->counts[role]);
  }
  *cells++ = cell_count(node->peak_bytes);
  *cells++ = cell_number(node->exact);
  *cells++ = cell_count(node->time_ns);
  for (int role = 0; role < RANKS_ROLES; role++) {
    *cells++ = cell_count(node->at_peak[role]);
  }
  *cells++ = cell_count(node->sum_of_peaks);
}

/* ---- processes ------------------------------------------------------------------------------------------------------ */

static const struct report_column process_columns[] = {
    {"path", "trace", CELL_TEXT},
    {"role", "role", CELL_TEXT},
    {"rank", "rank", CELL_NUMBER},
    {"main_path", NULL, CELL_TEXT},
    {"host", NULL, CELL_TEXT},
    {"pid", "pid", CELL_NUMBER},
    {"ppid", NULL, CELL_NUMBER},
    {"exit_status", NULL, CELL_NUMBER},
    {"complete", "whole", CELL_BOOL},
    {"damage", NULL, CELL_TEXT},
    {"begin_ns", NULL, CELL_TIME},
    {"wall_ns", "recorded", CELL_TIME},
    {"peak_bytes", "peak", CELL_BYTES},
    {"peak_time_ns", "at", CELL_TIME},
    {"peak_step", "step", CELL_NUMBER},
    {"peak_phase", "phase", CELL_TEXT},
    {"steps", NULL, CELL_COUNT},
    {"saved_bytes", "saved", CELL_BYTES},
    {"few_bit_bits", NULL, CELL_NUMBER},
    {"few_bit_peak_bytes", "few-bit peak", CELL_BYTES},
    {"bytes_at_node_peak", "when most together", CELL_BYTES},
    {"command", NULL, CELL_TEXT},
};

static size_t process_count(const struct report_rows *rows) {
  return rows->ranks->processes_count;
}

static void process_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct ranks_process *process = &rows->ranks->processes[index];
  const bool projected = process->projections_count > 0;
  *cells++ = cell_text(process->path);
  *cells++ = cell_text(ranks_role_names[process->role]);
  *cells++ = cell_known(process->rank);
  *cells++ = path_of(rows->ranks, process->main);
  *cells++ = cell_text(process->host);
  *cells++ = cell_number(process->pid);
  *cells++ = cell_known(process->ppid);
  *cells++ = cell_known(process->exit_status);
  *cells++ = cell_number(process->complete);
  *cells++ = cell_text(process->damage);
  *cells++ = cell_count(process->start_unix_ns - rows->ranks->begin_unix_ns);
  *cells++ = cell_count(process->wall_ns);
  *cells++ = cell_count(process->peak.bytes);
  *cells++ = cell_count(process->peak.time_ns);
  *cells++ = cell_known(process->peak.step);
  *cells++ = cell_text(phase_names[process->peak.phase]);
  *cells++ = cell_count(process->steps);
  *cells++ = cell_count(process->saved_bytes);
  *cells++ = cell_known(projected ? (int64_t)rows->ranks->few_bit_bits : -1);
  *cells++ = cell_known(projected ? (int64_t)ranks_few_bit_peak(rows->ranks, process) : -1);
  *cells++ = cell_count(process->at_node_peak);
  *cells++ = cell_text(process->command);
}

static const struct report_column failure_columns[] = {
    {"path", "file", CELL_TEXT},
    {"reason", "reason", CELL_TEXT},
};

static size_t failure_count(const struct report_rows *rows) {
  return rows->ranks->failures_count;
}

static void failure_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  cells[0] = cell_text(rows->ranks->failures[index].path);
  cells[1] = cell_text(rows->ranks->failures[index].reason);
}

/* ---- the tables ----------------------------------------------------------------------------------------------------- */

static const struct report_table tables[] = {
    {"ranks", "All together", COLUMNS(whole_columns), .single = true, .count = one, .row = whole_row},
    {"spread", "Spread over the main processes", COLUMNS(spread_columns), .count = spread_count, .row = spread_row},
    {"nodes", "Machines", COLUMNS(node_columns), .count = node_count, .row = node_row},
    {"projection", "Highest peak with few-bit codes in place of eligible blocks", COLUMNS(projection_columns),
     .count = projection_count, .row = projection_row},
    {"processes", "Processes", COLUMNS(process_columns), .is_list = true, .count = process_count, .row = process_row},
    {"failures", "Not read", COLUMNS(failure_columns), .count = failure_count, .row = failure_row},
};

const struct report_table *ranks_tables(size_t *count) {
  *count = sizeof tables / sizeof *tables;
  return tables;
}

const struct report_table *ranks_table_find(const char *name) {
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (strcmp(tables[i].name, name) == 0) {
      return &tables[i];
    }
  }
  return NULL;
}

void ranks_csv_emit(struct sink *sink, const struct ranks *ranks, const struct report_options *options) {
  struct report_rows rows = {.ranks = ranks, .options = options};
  size_t count;
  const struct report_table *all = ranks_tables(&count);
  report_csv_tables(sink, &rows, all, count, options->table ? ranks_table_find(options->table) : NULL);
}

static void note(void *context, bool warns, const char *text) {
  struct sink *sink = context;
  (void)warns;
  sink_print(sink, "\n");
  report_md_text(sink, text);
  sink_print(sink, "\n");
}

void ranks_md_emit(struct sink *sink, const struct ranks *ranks, const struct report_options *options) {
  struct report_rows rows = {.ranks = ranks, .options = options};
  char sentence[RANKS_SENTENCE_SIZE];
  size_t count;
  const struct report_table *all = ranks_tables(&count);
  sink_print(sink, "# Memory of several processes\n\n");
  report_md_text(sink, ranks_sentence(ranks, sentence));
  sink_print(sink, "\n");
  report_md_tables(sink, &rows, all, count);
  ranks_notes(ranks, note, sink);
}
