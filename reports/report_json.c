/* The report for programs: the design's contract "actscope.report/1", every key in its order.
 *
 * Where a figure has no value (no step at the peak, a release that was never seen, an unknown exit status or rank) it
 * is null; texts that say nothing are "". */
#include "analyzers/facts_layers.h"
#include "analyzers/site.h"
#include "reports/advice_words.h"
#include "reports/busy_sites.h"
#include "reports/frames.h"
#include "reports/groups.h"
#include "reports/json.h"
#include "reports/project.h"
#include "reports/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static json_t *run_json(const struct facts_run *run) {
  json_t *object = json_object();
  json_put_text(object, "command", run->command);
  json_put_integer(object, "pid", run->pid);
  json_put_known(object, "ppid", run->ppid);
  json_put_known(object, "rank", run->rank);
  json_put_known(object, "world_size", run->world_size ? run->world_size : -1);
  json_put_text(object, "host", run->host);
  json_put_known(object, "exit_status", run->exit_status);
  json_put_bool(object, "complete", run->complete);
  json_put_text(object, "damage", run->damage);
  json_put_count(object, "wall_ns", run->wall_ns);
  json_put_count(object, "start_unix_ns", run->start_unix_ns);
  json_put_count(object, "events", run->events);
  json_put_count(object, "lost_events", run->lost_events);
  json_put_text(object, "unseen", run->unseen);
  json_put_count(object, "stray_marks", run->stray_marks);
  json_put_count(object, "oversized_marks", run->oversized_marks);
  json_put_count(object, "threads", run->threads);
  json_put_count(object, "min_size", run->min_size);
  json_put_text(object, "framework", run->framework);
  json_put_text(object, "evidence", run->evidence);
  json_put_real(object, "confidence", run->confidence > 0 ? run->confidence : NAN);
  return object;
}

json_t *report_json_peak(const struct facts_peak *peak) {
  json_t *object = json_object();
  json_put_count(object, "bytes", peak->bytes);
  json_put_count(object, "lasting_bytes", peak->lasting_bytes);
  json_put_count(object, "time_ns", peak->time_ns);
  json_put_known(object, "step", peak->step);
  json_put_text(object, "phase", phase_names[peak->phase]);
  return object;
}

json_t *report_json_categories(const uint64_t *bytes) {
  json_t *object = json_object();
  for (int i = 0; i < CATEGORY_COUNT; i++) {
    json_put_count(object, category_names[i], bytes[i]);
  }
  return object;
}

static json_t *steps_json(const struct facts *facts) {
  json_t *array = json_array();
  for (size_t i = 0; i < facts->steps_count; i++) {
    const struct facts_step *step = &facts->steps[i];
    json_t *object = json_object();
    json_put_count(object, "index", step->index);
    json_put_count(object, "begin_ns", step->begin_ns);
    json_put_count(object, "end_ns", step->end_ns);
    json_put_count(object, "peak_bytes", step->peak_bytes);
    json_put_count(object, "saved_bytes", step->saved_bytes);
    json_put_count(object, "saved_blocks", step->saved_blocks);
    json_put_bool(object, "complete", step->complete);
    json_array_append_new(array, object);
  }
  return array;
}

/* --top, where it was given; without it programs get everything. */
static size_t shown(size_t count, const struct report_options *options) {
  return options->top && options->top < count ? options->top : count;
}

static json_t *by_op_json(const struct facts *facts, const struct report_options *options) {
  json_t *array = json_array();
  for (size_t i = 0; i < shown(facts->by_op_count, options); i++) {
    const struct facts_op *op = &facts->by_op[i];
    json_t *object = json_object();
    json_put_text(object, "op", op->op);
    json_put_count(object, "bytes", op->bytes);
    json_put_count(object, "exclusive_bytes", op->exclusive_bytes);
    json_put_count(object, "blocks", op->blocks);
    json_put_count(object, "eligible_bytes", op->eligible_bytes);
    json_array_append_new(array, object);
  }
  return array;
}

static json_t *holders_json(const struct facts_saved_block *block) {
  json_t *array = json_array();
  for (size_t i = 0; i < block->holders_count; i++) {
    const struct facts_holder *holder = &block->holders[i];
    json_t *object = json_object();
    json_put_text(object, "op", holder->op);
    json_put_count(object, "save_ns", holder->save_ns);
    json_put_count(object, "release_ns", holder->release_ns);
    json_array_append_new(array, object);
  }
  return array;
}

/* Innermost first; [] for a run that was recorded without --python-stacks. */
static json_t *python_stack_json(const struct facts *facts, uint32_t id) {
  const struct facts_stack *stack = frames_find(facts, id);
  json_t *array = json_array();
  for (size_t i = 0; stack && i < stack->frames_count; i++) {
    const struct facts_frame *frame = &stack->frames[i];
    if (site_is_python(frame)) {
      json_t *object = json_object();
      json_put_text(object, "file", frame->file);
      json_put_count(object, "line", frame->line);
      json_put_text(object, "function", frame->function);
      json_array_append_new(array, object);
    }
  }
  return array;
}

static json_t *block_json(const struct facts *facts, const struct facts_saved_block *block) {
  json_t *object = json_object();
  json_put_count(object, "bytes", block->bytes);
  json_put_count(object, "elements", block->elements);
  json_put_text(object, "dtype", block->dtype);
  json_put_text(object, "op_allocated", block->op_allocated);
  json_object_set_new(object, "holders", holders_json(block));
  json_put_bool(object, "eligible", block->eligible);
  json_put_text(object, "reason", block->reason);
  json_put_text(object, "layer", block->layer);
  json_put_text(object, "name", block->name);
  json_put_bool(object, "in_arena", block->in_arena);
  json_put_text(object, "site", block->site);
  json_object_set_new(object, "python_stack", python_stack_json(facts, block->stack));
  json_put_text(object, "evidence", block->evidence);
  return object;
}

/* [] for a run that was recorded without --layers. */
static json_t *by_layer_json(const struct facts *facts, const struct report_options *options, struct sink *sink) {
  struct facts_layers layers;
  json_t *array = json_array();
  if (facts_layers_init(&layers, facts, false) != 0 || facts_layers_sort(&layers, facts, report_order(options)) != 0) {
    sink_fail(sink, ENOMEM);
  }
  for (size_t i = 0; i < shown(layers.count, options); i++) {
    json_t *object = json_object();
    json_put_text(object, "layer", layers.items[i].layer);
    json_put_count(object, "bytes", layers.items[i].bytes);
    json_put_count(object, "blocks", layers.items[i].blocks);
    json_put_count(object, "eligible_bytes", layers.items[i].eligible_bytes);
    json_array_append_new(array, object);
  }
  facts_layers_fini(&layers);
  return array;
}

static json_t *saved_json(const struct facts *facts, const struct report_options *options, struct sink *sink) {
  json_t *object = json_object(), *list = json_array();
  for (size_t i = 0; i < shown(facts->saved_count, options); i++) {
    json_array_append_new(list, block_json(facts, &facts->saved[i]));
  }
  json_put_known(object, "step", facts->saved_step);
  json_put_count(object, "bytes", facts->saved_bytes);
  json_put_count(object, "blocks", facts->saved_blocks);
  json_object_set_new(object, "by_op", by_op_json(facts, options));
  json_object_set_new(object, "by_layer", by_layer_json(facts, options, sink));
  json_object_set_new(object, "list", list);
  return object;
}

static void put_text_or_null(json_t *object, const char *key, const char *text) {
  json_object_set_new(object, key, json_null());
  if (text) {
    json_put_text(object, key, text);
  }
}

static json_t *selection_json(const struct facts *facts, const struct facts_selection *selection) {
  json_t *object = json_object();
  put_text_or_null(object, "op", selection->ops);
  put_text_or_null(object, "layer", selection->layers);
  json_put_count(object, "since_ns", selection->since_ns);
  json_put_count(object, "until_ns", selection->until_ns);
  json_put_count(object, "bytes", report_selected_bytes(facts));
  json_put_count(object, "blocks", facts->saved_count);
  return object;
}

static json_t *sites_json(const struct facts *facts, const struct report_options *options, struct sink *sink) {
  json_t *array = json_array();
  struct facts_site *sites;
  size_t count;
  if (groups_of_sites(facts, true, report_order(options), &sites, &count) != 0) {
    sink_fail(sink, ENOMEM);
  }
  for (size_t i = 0; i < shown(count, options); i++) {
    json_t *object = json_object();
    json_put_count(object, "bytes", sites[i].bytes);
    json_put_count(object, "blocks", sites[i].blocks);
    json_put_text(object, "category", category_names[sites[i].category]);
    json_put_text(object, "op", sites[i].op);
    json_put_text(object, "site", sites[i].site);
    json_object_set_new(object, "python_stack", python_stack_json(facts, sites[i].stack));
    json_array_append_new(array, object);
  }
  free(sites);
  return array;
}

json_t *report_json_projections(const struct facts_projection *projections, size_t count) {
  json_t *array = json_array();
  for (size_t i = 0; i < count; i++) {
    json_t *object = json_object();
    json_put_count(object, "bits", projections[i].bits);
    json_put_count(object, "peak_bytes", projections[i].peak_bytes);
    json_put_integer(object, "saving_bytes", projections[i].saving_bytes);
    json_put_real(object, "saving_percent", projections[i].saving_percent);
    json_put_count(object, "eligible_bytes", projections[i].eligible_bytes);
    json_put_count(object, "code_bytes", projections[i].code_bytes);
    json_array_append_new(array, object);
  }
  return array;
}

static json_t *gradients_json(const struct gradients *gradients) {
  json_t *array = json_array();
  for (size_t i = 0; i < gradients->count; i++) {
    json_t *object = json_object();
    json_put_count(object, "bits", gradients->widths[i].bits);
    json_put_real(object, "min_cosine", gradients->widths[i].min_cosine);
    json_put_real(object, "mean_cosine", gradients->widths[i].mean_cosine);
    json_put_real(object, "max_relative_error", gradients->widths[i].max_relative_error);
    json_array_append_new(array, object);
  }
  return array;
}

static json_t *advice_json(const struct facts *facts) {
  json_t *array = json_array();
  char text[ADVICE_WORDS_SIZE];
  for (size_t i = 0; i < facts->advice_count; i++) {
    const struct facts_advice *advice = &facts->advice[i];
    json_t *object = json_object();
    json_put_text(object, "kind", advice_names[advice->kind]);
    json_put_text(object, "text", advice_words(&facts->run, advice, text));
    json_put_count(object, "bytes", advice->bytes);
    json_put_count(object, "blocks", advice->blocks);
    json_put_count(object, "peak_bytes", advice->peak_bytes);
    json_put_integer(object, "saving_bytes", advice->saving_bytes);
    json_put_known(object, "bits", advice->bits ? (int)advice->bits : -1);
    json_put_text(object, "ops", advice->ops);
    json_put_text(object, "layers", advice->layers);
    json_put_text(object, "site", advice->site);
    json_array_append_new(array, object);
  }
  return array;
}

void report_json_emit(struct sink *sink, const struct facts *facts, const struct report_options *options) {
  json_t *root = json_begin("actscope.report/1");
  json_object_set_new(root, "run", run_json(&facts->run));
  json_object_set_new(root, "peak", report_json_peak(&facts->peak));
  json_object_set_new(root, "categories_at_peak", report_json_categories(facts->categories));
  json_object_set_new(root, "steps", steps_json(facts));
  json_object_set_new(root, "saved", saved_json(facts, options, sink));
  if (options->selection && facts_selection_is_part(options->selection)) {
    json_object_set_new(root, "selection", selection_json(facts, options->selection));
  }
  json_object_set_new(root, "projection", report_json_projections(facts->projections, facts->projections_count));
  if (options->gradients) {
    json_object_set_new(root, "gradients", gradients_json(options->gradients));
  }
  json_object_set_new(root, "sites_at_peak", sites_json(facts, options, sink));
  json_object_set_new(root, "traffic", busy_sites_json(sink, facts, options->top));
  json_object_set_new(root, "advice", advice_json(facts));
  json_emit(sink, root);
}
