/* The comparison for programs: schema "actscope.diff/1". A figure is {before, after, change, change_percent}; null stands
 * where a run has nothing of that name, and for a percentage of nothing. */
#include "reports/diff.h"
#include "reports/json.h"

#include <string.h>

static json_t *run_json(const struct comparison *comparison, const struct diff_options *options,
                        enum compare_side side) {
  const struct facts_run *run = &comparison->facts[side]->run;
  json_t *object = json_object();
  json_put_text(object, "path", options->names[side]);
  json_put_text(object, "command", run->command);
  json_put_integer(object, "pid", run->pid);
  json_put_known(object, "rank", run->rank);
  json_put_known(object, "exit_status", run->exit_status);
  json_put_bool(object, "complete", run->complete);
  json_put_text(object, "damage", run->damage);
  json_put_count(object, "wall_ns", run->wall_ns);
  json_put_count(object, "min_size", run->min_size);
  json_put_text(object, "framework", run->framework);
  json_put_text(object, "evidence", run->evidence);
  return object;
}

static void put_change(json_t *object, int64_t before, int64_t after) {
  json_put_integer(object, "change", after - before);
  json_object_set_new(object, "change_percent", json_null());
  if (before) {
    json_put_real(object, "change_percent", 100 * (double)(after - before) / (double)before);
  }
}

static void put_side(json_t *object, const char *key, bool there, uint64_t value) {
  json_object_set_new(object, key, json_null());
  if (there) {
    json_put_count(object, key, value);
  }
}

static json_t *figure_json(uint64_t before, uint64_t after) {
  json_t *object = json_object();
  json_put_count(object, "before", before);
  json_put_count(object, "after", after);
  put_change(object, (int64_t)before, (int64_t)after);
  return object;
}

static void put_row(json_t *object, const struct compare_row *row) {
  put_side(object, "before", row->there[COMPARE_BEFORE], row->bytes[COMPARE_BEFORE]);
  put_side(object, "after", row->there[COMPARE_AFTER], row->bytes[COMPARE_AFTER]);
  put_change(object, (int64_t)row->bytes[COMPARE_BEFORE], (int64_t)row->bytes[COMPARE_AFTER]);
}

static void put_blocks(json_t *object, const struct compare_row *row) {
  put_side(object, "blocks_before", row->there[COMPARE_BEFORE], row->blocks[COMPARE_BEFORE]);
  put_side(object, "blocks_after", row->there[COMPARE_AFTER], row->blocks[COMPARE_AFTER]);
}

static json_t *moment_json(const struct facts_peak *peak) {
  json_t *object = json_object();
  json_put_count(object, "bytes", peak->bytes);
  json_put_count(object, "time_ns", peak->time_ns);
  json_put_known(object, "step", peak->step);
  json_put_text(object, "phase", phase_names[peak->phase]);
  return object;
}

static json_t *peak_json(const struct comparison *comparison) {
  const struct facts_peak *before = &comparison->facts[0]->peak, *after = &comparison->facts[1]->peak;
  json_t *object = json_object();
  json_object_set_new(object, "before", moment_json(before));
  json_object_set_new(object, "after", moment_json(after));
  put_change(object, (int64_t)before->bytes, (int64_t)after->bytes);
  return object;
}

/* --top, where it was given; without it programs get everything. */
static size_t shown(const struct compare_table *table, const struct diff_options *options) {
  return options->top && options->top < table->count ? options->top : table->count;
}

static json_t *categories_json(const struct comparison *comparison) {
  json_t *array = json_array();
  for (size_t i = 0; i < comparison->categories.count; i++) {
    const struct compare_row *row = &comparison->categories.rows[i];
    json_t *object = json_object();
    json_put_text(object, "category", row->name);
    json_put_count(object, "before", row->bytes[COMPARE_BEFORE]);
    json_put_count(object, "after", row->bytes[COMPARE_AFTER]);
    put_change(object, (int64_t)row->bytes[COMPARE_BEFORE], (int64_t)row->bytes[COMPARE_AFTER]);
    json_array_append_new(array, object);
  }
  return array;
}

static json_t *named_json(const struct compare_table *table, const char *key, const struct diff_options *options) {
  json_t *array = json_array();
  for (size_t i = 0; i < shown(table, options); i++) {
    json_t *object = json_object();
    json_put_text(object, key, table->rows[i].name);
    put_row(object, &table->rows[i]);
    put_blocks(object, &table->rows[i]);
    json_array_append_new(array, object);
  }
  return array;
}

static json_t *saved_json(const struct comparison *comparison, const struct diff_options *options) {
  const struct facts *before = comparison->facts[0], *after = comparison->facts[1];
  const bool layers = !(comparison->doubts & COMPARE_LAYERS);
  json_t *object = figure_json(before->saved_bytes, after->saved_bytes);
  json_put_count(object, "blocks_before", before->saved_blocks);
  json_put_count(object, "blocks_after", after->saved_blocks);
  json_object_set_new(object, "by_op", named_json(&comparison->ops, "op", options));
  json_object_set_new(object, "by_layer", layers ? named_json(&comparison->layers, "layer", options) : json_array());
  return object;
}

static json_t *sites_json(const struct comparison *comparison, const struct diff_options *options) {
  json_t *array = json_array();
  for (size_t i = 0; i < shown(&comparison->sites, options); i++) {
    const struct compare_row *row = &comparison->sites.rows[i];
    json_t *object = json_object();
    json_put_text(object, "site", row->name);
    json_put_text(object, "op", row->op);
    json_put_text(object, "category", category_names[row->category]);
    put_row(object, row);
    put_blocks(object, row);
    json_array_append_new(array, object);
  }
  return array;
}

static json_t *left_json(const struct comparison *comparison, const struct diff_options *options) {
  const struct facts_traffic *before = &comparison->facts[0]->traffic, *after = &comparison->facts[1]->traffic;
  json_t *object = figure_json(before->end_bytes, after->end_bytes);
  json_put_count(object, "blocks_before", before->end_blocks);
  json_put_count(object, "blocks_after", after->end_blocks);
  json_object_set_new(object, "sites", named_json(&comparison->left, "site", options));
  return object;
}

static json_t *steps_json(const struct comparison *comparison) {
  const struct compare_steps *before = &comparison->steps[0], *after = &comparison->steps[1];
  json_t *object = json_object();
  json_object_set_new(object, "count", figure_json(before->count, after->count));
  json_object_set_new(object, "complete", figure_json(before->complete, after->complete));
  json_object_set_new(object, "duration_ns", figure_json(before->duration_ns, after->duration_ns));
  json_object_set_new(object, "peak_bytes", figure_json(before->peak_bytes, after->peak_bytes));
  json_object_set_new(object, "saved_bytes", figure_json(before->saved_bytes, after->saved_bytes));
  return object;
}

static json_t *projection_json(const struct comparison *comparison) {
  json_t *array = json_array();
  for (size_t i = 0; i < comparison->projections.count; i++) {
    json_t *object = json_object();
    json_put_count(object, "bits", comparison->projections.rows[i].bits);
    put_row(object, &comparison->projections.rows[i]);
    json_array_append_new(array, object);
  }
  return array;
}

static json_t *projected_json(const struct comparison *comparison) {
  const struct facts_projection *projection = compare_projected(comparison);
  uint64_t peak = comparison->facts[COMPARE_AFTER]->peak.bytes;
  json_t *object;
  if (!projection) {
    return json_null();
  }
  object = json_object();
  json_put_count(object, "bits", projection->bits);
  json_put_count(object, "projected_bytes", projection->peak_bytes);
  json_put_count(object, "peak_bytes", peak);
  json_put_real(object, "off_percent", 100 * ((double)projection->peak_bytes / (double)peak - 1));
  return object;
}

static json_t *warnings_json(const struct comparison *comparison) {
  json_t *array = json_array();
  for (int i = 0; i < COMPARE_DOUBTS; i++) {
    if (comparison->doubts & 1u << i) {
      char words[DIFF_DOUBT_SIZE];
      json_t *object = json_object();
      diff_doubt_words(comparison, (enum compare_doubt)(1u << i), words);
      json_put_text(object, "about", compare_doubt_names[i]);
      json_put_text(object, "text", words);
      json_array_append_new(array, object);
    }
  }
  return array;
}

void diff_json_emit(struct sink *sink, const struct comparison *comparison, const struct diff_options *options) {
  json_t *root = json_begin("actscope.diff/1");
  json_object_set_new(root, "before", run_json(comparison, options, COMPARE_BEFORE));
  json_object_set_new(root, "after", run_json(comparison, options, COMPARE_AFTER));
  json_put_bool(root, "same", comparison->same);
  json_put_bool(root, "identical", comparison->identical);
  json_put_count(root, "tolerance_bytes", comparison->tolerance);
  json_object_set_new(root, "warnings", warnings_json(comparison));
  json_object_set_new(root, "peak", peak_json(comparison));
  json_object_set_new(root, "projected", projected_json(comparison));
  json_object_set_new(root, "categories_at_peak", categories_json(comparison));
  json_object_set_new(root, "saved", saved_json(comparison, options));
  json_object_set_new(root, "sites_at_peak", sites_json(comparison, options));
  json_object_set_new(root, "left_at_end", left_json(comparison, options));
  json_object_set_new(root, "steps", steps_json(comparison));
  json_object_set_new(root, "projection", projection_json(comparison));
  json_emit(sink, root);
}
