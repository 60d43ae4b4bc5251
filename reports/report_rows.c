/* One function a table fills in a row; the columns are data. */
#include "reports/report_rows.h"

#include "common/error.h"
#include "reports/busy_sites.h"
#include "reports/figures.h"
#include "reports/format.h"
#include "reports/summary.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int report_rows_init(struct report_rows *rows, const struct facts *facts, const struct report_options *options) {
  enum facts_order order = report_order(options);
  int rc;
  *rows = (struct report_rows){.facts = facts, .options = options};
  rc = facts_layers_init(&rows->layers, facts, false);
  rc = rc == 0 ? facts_layers_sort(&rows->layers, facts, order) : rc;
  rc = rc == 0 ? facts_layers_init(&rows->like_layers, facts, true) : rc;
  rc = rc == 0 ? facts_layers_sort(&rows->like_layers, facts, order) : rc;
  rc = rc == 0 ? groups_of_blocks(facts, order, &rows->groups, &rows->groups_count) : rc;
  rc = rc == 0 ? groups_of_sites(facts, true, order, &rows->sites, &rows->sites_count) : rc;
  rc = rc == 0 ? busy_sites_group(facts, BUSY_BY_ALLOCATIONS, &rows->busy_sites, &rows->busy_sites_count) : rc;
  rows->reasons_count = groups_of_reasons(facts, rows->reasons);
  return rc;
}

void report_rows_fini(struct report_rows *rows) {
  facts_layers_fini(&rows->layers);
  facts_layers_fini(&rows->like_layers);
  free(rows->groups);
  free(rows->holders);
  free(rows->sites);
  free(rows->busy_sites);
}

static struct report_cell share(uint64_t part, uint64_t all) {
  return (struct report_cell){.known = all > 0, .real = all ? 100 * (double)part / (double)all : 0};
}

static struct report_cell real(double value) {
  return (struct report_cell){.known = isfinite(value), .real = value};
}

static size_t one(const struct report_rows *rows) {
  (void)rows;
  return 1;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static const struct report_column run_columns[] = {
    {"command", "command", CELL_TEXT},
    {"pid", "pid", CELL_NUMBER},
    {"ppid", NULL, CELL_NUMBER},
    {"rank", "rank", CELL_NUMBER},
    {"world_size", "ranks", CELL_NUMBER},
    {"host", "machine", CELL_TEXT},
    {"exit_status", "exit status", CELL_NUMBER},
    {"complete", "complete", CELL_BOOL},
    {"damage", "damage", CELL_TEXT},
    {"wall_ns", "recorded", CELL_TIME},
    {"start_unix_ns", NULL, CELL_NUMBER},
    {"events", "events", CELL_COUNT},
    {"lost_events", "lost events", CELL_COUNT},
    {"threads", "threads", CELL_COUNT},
    {"min_size", "blocks listed from", CELL_BYTES},
    {"framework", "framework", CELL_TEXT},
    {"evidence", "saves seen by", CELL_TEXT},
    {"unseen", "not seen", CELL_TEXT},
    {"stray_marks", NULL, CELL_COUNT},
    {"oversized_marks", NULL, CELL_COUNT},
    {"confidence", "confidence", CELL_COSINE},
};

static void run_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct facts_run *run = &rows->facts->run;
  (void)index;
  *cells++ = cell_text(run->command);
  *cells++ = cell_number(run->pid);
  *cells++ = cell_known(run->ppid);
  *cells++ = cell_known(run->rank);
  *cells++ = cell_known(run->world_size ? run->world_size : -1);
  *cells++ = cell_text(run->host);
  *cells++ = cell_known(run->exit_status);
  *cells++ = cell_number(run->complete);
  *cells++ = cell_text(run->damage);
  *cells++ = cell_count(run->wall_ns);
  *cells++ = cell_count(run->start_unix_ns);
  *cells++ = cell_count(run->events);
  *cells++ = cell_count(run->lost_events);
  *cells++ = cell_count(run->threads);
  *cells++ = cell_count(run->min_size);
  *cells++ = cell_text(run->framework);
  *cells++ = cell_text(run->evidence);
  *cells++ = cell_text(run->unseen);
  *cells++ = cell_count(run->stray_marks);
  *cells++ = cell_count(run->oversized_marks);
  *cells++ = (struct report_cell){.known = run->confidence > 0, .real = run->confidence};
}

static const struct report_column peak_columns[] = {{"bytes", "bytes", CELL_BYTES},
                                                    {"lasting_bytes", NULL, CELL_BYTES},
                                                    {"time_ns", "at", CELL_TIME},
                                                    {"step", "step", CELL_NUMBER},
                                                    {"phase", "phase", CELL_TEXT}};

static void peak_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct facts_peak *peak = &rows->facts->peak;
  (void)index;
  cells[0] = cell_count(peak->bytes);
  cells[1] = cell_count(peak->lasting_bytes);
  cells[2] = cell_count(peak->time_ns);
  cells[3] = cell_known(peak->step);
  cells[4] = cell_text(phase_names[peak->phase]);
}

static const struct report_column category_columns[] = {
    {"category", "category", CELL_TEXT}, {"bytes", "bytes", CELL_BYTES}, {NULL, "share", CELL_PERCENT}};

static size_t category_count(const struct report_rows *rows) {
  (void)rows;
  return CATEGORY_COUNT;
}

static void category_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  cells[0] = cell_text(category_names[index]);
  cells[1] = cell_count(rows->facts->categories[index]);
  cells[2] = share(rows->facts->categories[index], rows->facts->peak.bytes);
}

/* ---- what is saved ----------------------------------------------------------------------------------------------- */

static const struct report_column saved_columns[] = {
    {"step", "step", CELL_NUMBER}, {"bytes", "bytes", CELL_BYTES}, {"blocks", "blocks", CELL_COUNT}};

static void saved_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  (void)index;
  cells[0] = cell_known(rows->facts->saved_step);
  cells[1] = cell_count(rows->facts->saved_bytes);
  cells[2] = cell_count(rows->facts->saved_blocks);
}

static const struct report_column selection_columns[] = {
    {"op", "held by", CELL_TEXT},     {"layer", "in layers", CELL_TEXT}, {"since_ns", "since", CELL_TIME},
    {"until_ns", "until", CELL_TIME}, {"bytes", "bytes", CELL_BYTES},    {"blocks", "blocks", CELL_COUNT}};

static size_t selection_count(const struct report_rows *rows) {
  return rows->options->selection && facts_selection_is_part(rows->options->selection);
}

static void selection_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct facts_selection *selection = rows->options->selection;
  (void)index;
  cells[0] = (struct report_cell){.known = selection->ops != NULL, .text = selection->ops};
  cells[1] = (struct report_cell){.known = selection->layers != NULL, .text = selection->layers};
  cells[2] = cell_count(selection->since_ns);
  cells[3] = cell_count(selection->until_ns);
  cells[4] = cell_count(report_selected_bytes(rows->facts));
  cells[5] = cell_count(rows->facts->saved_count);
}

static const struct report_column op_columns[] = {
    {"op", "op", CELL_TEXT},
    {"bytes", "bytes", CELL_BYTES},
    {NULL, "share", CELL_PERCENT},
    {"exclusive_bytes", "held alone", CELL_BYTES},
    {"eligible_bytes", "eligible", CELL_BYTES},
    {"blocks", "blocks", CELL_COUNT},
};

static size_t op_count(const struct report_rows *rows) {
  return rows->facts->by_op_count;
}

static uint64_t op_bytes(const struct report_rows *rows, size_t index) {
  return rows->facts->by_op[index].bytes;
}

static void op_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct facts_op *op = &rows->facts->by_op[index];
  cells[0] = cell_text(op->op);
  cells[1] = cell_count(op->bytes);
  cells[2] = share(op->bytes, rows->facts->saved_bytes);
  cells[3] = cell_count(op->exclusive_bytes);
  cells[4] = cell_count(op->eligible_bytes);
  cells[5] = cell_count(op->blocks);
}

static const struct report_column layer_columns[] = {
    {"layer", "layer", CELL_TEXT},
    {NULL, "layers", CELL_COUNT},
    {"bytes", "bytes", CELL_BYTES},
    {NULL, "share", CELL_PERCENT},
    {"eligible_bytes", "eligible", CELL_BYTES},
    {"blocks", "blocks", CELL_COUNT},
};

static void put_layer(const struct report_rows *rows, const struct facts_layer *layer, struct report_cell *cells) {
  cells[0] = cell_text(layer->layers > 1 ? layer->pattern : layer->layer);
  cells[1] = cell_count(layer->layers);
  cells[2] = cell_count(layer->bytes);
  cells[3] = share(layer->bytes, rows->facts->saved_bytes);
  cells[4] = cell_count(layer->eligible_bytes);
  cells[5] = cell_count(layer->blocks);
}

static size_t layer_count(const struct report_rows *rows) {
  return rows->layers.count;
}

static uint64_t layer_bytes(const struct report_rows *rows, size_t index) {
  return rows->layers.items[index].bytes;
}

static void layer_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  put_layer(rows, &rows->layers.items[index], cells);
}

static size_t like_layer_count(const struct report_rows *rows) {
  return rows->like_layers.count;
}

static uint64_t like_layer_bytes(const struct report_rows *rows, size_t index) {
  return rows->like_layers.items[index].bytes;
}

static void like_layer_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  put_layer(rows, &rows->like_layers.items[index], cells);
}

static const struct report_column reason_columns[] = {{NULL, "eligible", CELL_BOOL},
                                                      {NULL, "bytes", CELL_BYTES},
                                                      {NULL, "share", CELL_PERCENT},
                                                      {NULL, "why", CELL_TEXT}};

static size_t reason_count(const struct report_rows *rows) {
  return rows->reasons_count;
}

static void reason_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct group_reason *reason = &rows->reasons[index];
  cells[0] = cell_number(reason->eligible);
  cells[1] = cell_count(reason->bytes);
  cells[2] = share(reason->bytes, rows->facts->saved_bytes);
  cells[3] = cell_text(reason->text);
}

static const struct report_column block_columns[] = {
    {"block", NULL, CELL_NUMBER},  {"bytes", NULL, CELL_BYTES},       {"elements", NULL, CELL_COUNT},
    {"dtype", NULL, CELL_TEXT},    {"op_allocated", NULL, CELL_TEXT}, {"holders", NULL, CELL_TEXT},
    {"save_ns", NULL, CELL_TIME},  {"release_ns", NULL, CELL_TIME},   {"eligible", NULL, CELL_BOOL},
    {"reason", NULL, CELL_TEXT},   {"layer", NULL, CELL_TEXT},        {"site", NULL, CELL_TEXT},
    {"evidence", NULL, CELL_TEXT}, {"name", NULL, CELL_TEXT},         {"in_arena", NULL, CELL_BOOL},
};

static size_t block_count(const struct report_rows *rows) {
  return rows->facts->saved_count;
}

/* "softmax bmm": in the order of saving, as often as they hold it. NULL: no memory. */
static char *join_holders(const struct facts_saved_block *block) {
  char *joined = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&joined, &size);
  if (!out) {
    return NULL;
  }
  for (size_t i = 0; i < block->holders_count; i++) {
    fprintf(out, "%s%s", i ? " " : "", block->holders[i].op);
  }
  return fclose(out) == 0 ? joined : NULL;
}

/* The first save and the last release, which is not known where one was not seen. */
static void put_times(const struct facts_saved_block *block, struct report_cell *save, struct report_cell *release) {
  uint64_t first = UINT64_MAX, last = 0;
  for (size_t i = 0; i < block->holders_count; i++) {
    const struct facts_holder *holder = &block->holders[i];
    first = holder->save_ns < first ? holder->save_ns : first;
    last = holder->release_ns > last ? holder->release_ns : last;
  }
  *save = cell_count(first);
  *release = cell_count(last);
}

static void block_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct facts_saved_block *block = &rows->facts->saved[index];
  cells[0] = cell_number((int64_t)index);
  cells[1] = cell_count(block->bytes);
  cells[2] = cell_count(block->elements);
  cells[3] = cell_text(block->dtype);
  cells[4] = cell_text(block->op_allocated);
  free(rows->holders);
  rows->holders = join_holders(block);
  cells[5] = cell_text(rows->holders);
  put_times(block, &cells[6], &cells[7]);
  cells[8] = cell_number(block->eligible);
  cells[9] = cell_text(block->reason);
  cells[10] = cell_text(block->layer);
  cells[11] = cell_text(block->site);
  cells[12] = cell_text(block->evidence);
  cells[13] = cell_text(block->name);
  cells[14] = cell_number(block->in_arena);
}

static const struct report_column group_columns[] = {
    {NULL, "blocks", CELL_COUNT}, {NULL, "bytes each", CELL_BYTES}, {NULL, "held by", CELL_TEXT},
    {NULL, "from", CELL_TEXT},    {NULL, "type", CELL_TEXT},        {NULL, "eligible", CELL_BOOL},
    {NULL, "site", CELL_TEXT},
};

static size_t group_count(const struct report_rows *rows) {
  return rows->groups_count;
}

static uint64_t group_bytes(const struct report_rows *rows, size_t index) {
  return rows->groups[index].block->bytes * rows->groups[index].count;
}

static void group_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct facts_saved_block *block = rows->groups[index].block;
  groups_holders(block, rows->text, sizeof rows->text);
  groups_type(block, rows->more, sizeof rows->more);
  cells[0] = cell_count(rows->groups[index].count);
  cells[1] = cell_count(block->bytes);
  cells[2] = cell_text(rows->text);
  cells[3] = cell_text(block->op_allocated);
  cells[4] = cell_text(rows->more);
  cells[5] = cell_number(block->eligible);
  cells[6] = cell_text(block->site);
}

/* ---- projection, gradients, sites, steps ------------------------------------------------------------------------------------ */

static const struct report_column projection_columns[] = {
    {"bits", "bits", CELL_NUMBER},
    {"peak_bytes", "peak", CELL_BYTES},
    {"saving_bytes", "saving", CELL_SIGNED_BYTES},
    {"saving_percent", "share", CELL_PERCENT},
    {"eligible_bytes", "replaced", CELL_BYTES},
    {"code_bytes", "codes", CELL_BYTES},
};

static size_t projection_count(const struct report_rows *rows) {
  return rows->facts->projections_count;
}

static void projection_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct facts_projection *projection = &rows->facts->projections[index];
  cells[0] = cell_number(projection->bits);
  cells[1] = cell_count(projection->peak_bytes);
  cells[2] = cell_number(projection->saving_bytes);
  cells[3] = real(projection->saving_percent);
  cells[4] = cell_count(projection->eligible_bytes);
  cells[5] = cell_count(projection->code_bytes);
}

static const struct report_column gradient_columns[] = {
    {"bits", "bits", CELL_NUMBER},
    {"min_cosine", "least cosine", CELL_COSINE},
    {"mean_cosine", "mean cosine", CELL_COSINE},
    {"max_relative_error", "largest relative error", CELL_ERROR},
};

static size_t gradient_count(const struct report_rows *rows) {
  return rows->options->gradients ? rows->options->gradients->count : 0;
}

static void gradient_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct gradients_width *width = &rows->options->gradients->widths[index];
  cells[0] = cell_number(width->bits);
  cells[1] = real(width->min_cosine);
  cells[2] = real(width->mean_cosine);
  cells[3] = real(width->max_relative_error);
}

static const struct report_column site_columns[] = {
    {"rank", NULL, CELL_NUMBER},         {"bytes", "bytes", CELL_BYTES}, {"blocks", "blocks", CELL_COUNT},
    {"category", "category", CELL_TEXT}, {"op", "by", CELL_TEXT},        {"site", "site", CELL_TEXT},
};

static size_t site_count(const struct report_rows *rows) {
  return rows->sites_count;
}

static uint64_t site_bytes(const struct report_rows *rows, size_t index) {
  return rows->sites[index].bytes;
}

static void site_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct facts_site *site = &rows->sites[index];
  cells[0] = cell_number((int64_t)index);
  cells[1] = cell_count(site->bytes);
  cells[2] = cell_count(site->blocks);
  cells[3] = cell_text(category_names[site->category]);
  cells[4] = cell_text(site->op);
  cells[5] = cell_text(site->site);
}

static const struct report_column traffic_columns[] = {
    {"name", "blocks", CELL_TEXT},
    {"allocations", "allocations", CELL_COUNT},
    {"bytes", "bytes in all", CELL_BYTES},
    {"temporary", "temporary", CELL_COUNT},
    {"end_blocks", "at the end", CELL_COUNT},
    {"end_bytes", "bytes at the end", CELL_BYTES},
};

static size_t traffic_count(const struct report_rows *rows) {
  return rows->facts->traffic.allocations || rows->facts->small_traffic.allocations ? 2 : 0;
}

static void put_traffic(const struct facts_traffic *traffic, struct report_cell *cells) {
  cells[0] = cell_count(traffic->allocations);
  cells[1] = cell_count(traffic->bytes);
  cells[2] = cell_count(traffic->temporary);
  cells[3] = cell_count(traffic->end_blocks);
  cells[4] = cell_count(traffic->end_bytes);
}

static void traffic_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  cells[0] = cell_text(index ? "small" : "blocks");
  put_traffic(index ? &rows->facts->small_traffic : &rows->facts->traffic, cells + 1);
  cells[3].known = cells[3].known && index == 0; /* of blocks that are only summed it is not known */
}

static const struct report_column busy_columns[] = {
    {"rank", NULL, CELL_NUMBER},
    {"allocations", "allocations", CELL_COUNT},
    {"bytes", "bytes in all", CELL_BYTES},
    {"temporary", "temporary", CELL_COUNT},
    {"end_blocks", "at the end", CELL_COUNT},
    {"end_bytes", "bytes at the end", CELL_BYTES},
    {"op", "by", CELL_TEXT},
    {"site", "site", CELL_TEXT},
};

static size_t busy_count(const struct report_rows *rows) {
  return rows->busy_sites_count;
}

/* A page on a training run is long enough without. */
static size_t busy_page_count(const struct report_rows *rows) {
  return summary_has_evidence(rows->facts) ? 0 : rows->busy_sites_count;
}

static uint64_t busy_bytes(const struct report_rows *rows, size_t index) {
  return rows->busy_sites[index].traffic.bytes;
}

static void busy_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct facts_busy_site *site = &rows->busy_sites[index];
  cells[0] = cell_number((int64_t)index);
  put_traffic(&site->traffic, cells + 1);
  cells[6] = cell_text(site->op);
  cells[7] = cell_text(site->site);
}

static const struct report_column step_columns[] = {
    {"index", "step", CELL_NUMBER},      {"begin_ns", "begins at", CELL_TIME}, {"end_ns", "ends at", CELL_TIME},
    {"peak_bytes", "peak", CELL_BYTES},  {"saved_bytes", "saved", CELL_BYTES}, {"saved_blocks", "blocks", CELL_COUNT},
    {"complete", "complete", CELL_BOOL},
};

static size_t step_count(const struct report_rows *rows) {
  return rows->facts->steps_count;
}

static void step_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct facts_step *step = &rows->facts->steps[index];
  cells[0] = cell_number(step->index);
  cells[1] = cell_count(step->begin_ns);
  cells[2] = cell_count(step->end_ns);
  cells[3] = cell_count(step->peak_bytes);
  cells[4] = cell_count(step->saved_bytes);
  cells[5] = cell_count(step->saved_blocks);
  cells[6] = cell_number(step->complete);
}

static const struct report_column advice_columns[] = {
    {"rank", NULL, CELL_NUMBER},      {"kind", NULL, CELL_TEXT},          {"saving_bytes", "saving", CELL_SIGNED_BYTES},
    {NULL, "share", CELL_PERCENT},    {"peak_bytes", "peak", CELL_BYTES}, {"bytes", "of the peak", CELL_BYTES},
    {"blocks", "blocks", CELL_COUNT}, {"bits", NULL, CELL_NUMBER},        {"ops", NULL, CELL_TEXT},
    {"layers", NULL, CELL_TEXT},      {"site", NULL, CELL_TEXT},          {"text", "what", CELL_TEXT},
};

static size_t advice_count(const struct report_rows *rows) {
  return rows->facts->advice_count;
}

static void advice_row(struct report_rows *rows, size_t index, struct report_cell *cells) {
  const struct facts_advice *advice = &rows->facts->advice[index];
  cells[0] = cell_number((int64_t)index);
  cells[1] = cell_text(advice_names[advice->kind]);
  cells[2] = cell_number(advice->saving_bytes);
  cells[3] = share(advice->saving_bytes > 0 ? (uint64_t)advice->saving_bytes : 0, rows->facts->peak.bytes);
  cells[4] = cell_count(advice->peak_bytes);
  cells[5] = cell_count(advice->bytes);
  cells[6] = cell_count(advice->blocks);
  cells[7] = cell_known(advice->bits ? (int64_t)advice->bits : -1);
  cells[8] = cell_text(advice->ops);
  cells[9] = cell_text(advice->layers);
  cells[10] = cell_text(advice->site);
  cells[11] = cell_text(advice_words(&rows->facts->run, advice, rows->advice));
}

/* ---- the tables -------------------------------------------------------------------------------------------------- */

#define COLUMNS(array) array, sizeof(array) / sizeof *(array)

/* In the order of a page. Their names are the JSON's. */
static const struct report_table tables[] = {
    {"run", "Run", COLUMNS(run_columns), .single = true, .count = one, .row = run_row},
    {"peak", "Peak", COLUMNS(peak_columns), .single = true, .count = one, .row = peak_row},
    {"categories_at_peak", "At the peak", COLUMNS(category_columns), .count = category_count, .row = category_row},
    {"saved", "Saved for backward", COLUMNS(saved_columns), .single = true, .count = one, .row = saved_row},
    {"selection", "Selected blocks", COLUMNS(selection_columns), .single = true, .count = selection_count,
     .row = selection_row},
    {"by_op", "Saved by op", COLUMNS(op_columns), .is_list = true, .count = op_count, .row = op_row, .bytes = op_bytes},
    {"by_layer", "Saved by layer", COLUMNS(layer_columns), .is_list = true, .for_programs = true, .count = layer_count,
     .row = layer_row, .bytes = layer_bytes},
    {"like_layers", "Saved by layer", COLUMNS(layer_columns), .is_list = true, .for_pages = true,
     .count = like_layer_count, .row = like_layer_row, .bytes = like_layer_bytes},
    {"projection", "Peak with few-bit codes in place of eligible blocks", COLUMNS(projection_columns),
     .count = projection_count, .row = projection_row},
    {"gradients", "Few-bit gradients against exact ones", COLUMNS(gradient_columns), .count = gradient_count,
     .row = gradient_row},
    {"reasons", "What codes can replace, and why not the rest", COLUMNS(reason_columns), .for_pages = true,
     .count = reason_count, .row = reason_row},
    {"list", "Saved blocks", COLUMNS(block_columns), .is_list = true, .for_programs = true, .count = block_count,
     .row = block_row},
    {"groups", "Saved blocks", COLUMNS(group_columns), .is_list = true, .for_pages = true, .count = group_count,
     .row = group_row, .bytes = group_bytes},
    {"sites_at_peak", "Sites at the peak", COLUMNS(site_columns), .is_list = true, .count = site_count, .row = site_row,
     .bytes = site_bytes},
    {"traffic", "Allocations", COLUMNS(traffic_columns), .for_programs = true, .count = traffic_count,
     .row = traffic_row},
    {"busy_sites", "Most allocations", COLUMNS(busy_columns), .is_list = true, .for_programs = true,
     .count = busy_count, .row = busy_row, .bytes = busy_bytes},
    {"busy_sites_page", "Most allocations", COLUMNS(busy_columns), .is_list = true, .for_pages = true,
     .count = busy_page_count, .row = busy_row, .bytes = busy_bytes},
    {"steps", "Steps", COLUMNS(step_columns), .is_long = true, .count = step_count, .row = step_row},
    {"advice", "What would help most", COLUMNS(advice_columns), .count = advice_count, .row = advice_row},
};

const struct report_table *report_tables(size_t *count) {
  *count = sizeof tables / sizeof *tables;
  return tables;
}

const struct report_table *report_table_find(const char *name) {
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (!tables[i].for_pages && strcmp(tables[i].name, name) == 0) {
      return &tables[i];
    }
  }
  return NULL;
}
