/* Several processes for programs: schema "actscope.ranks/1". What has no value is null. */
#include "reports/json.h"
#include "reports/project.h"
#include "reports/ranks_view.h"

static void put_path(json_t *object, const char *key, const struct ranks *ranks, size_t process) {
  if (process == RANKS_NONE) {
    json_object_set_new(object, key, json_null());
  } else {
    json_put_text(object, key, ranks->processes[process].path);
  }
}

static json_t *spread_json(const struct ranks *ranks, const struct ranks_spread *spread) {
  json_t *object = json_object();
  json_put_count(object, "lowest", spread->lowest);
  json_put_count(object, "median", spread->median);
  json_put_count(object, "highest", spread->highest);
  json_put_real(object, "mean", spread->mean);
  json_put_real(object, "imbalance_percent", 100 * spread->imbalance);
  put_path(object, "lowest_path", ranks, spread->at_lowest);
  put_path(object, "highest_path", ranks, spread->at_highest);
  return object;
}

static json_t *spreads_json(const struct ranks *ranks) {
  json_t *object = json_object();
  json_object_set_new(object, "peak_bytes", spread_json(ranks, &ranks->peak));
  json_object_set_new(object, "saved_bytes", spread_json(ranks, &ranks->saved));
  json_object_set_new(object, "few_bit_peak_bytes",
                      ranks->few_bit_bits ? spread_json(ranks, &ranks->few_bit) : json_null());
  return object;
}

static json_t *roles_json(const uint64_t *values) {
  json_t *object = json_object();
  for (int role = 0; role < RANKS_ROLES; role++) {
    json_put_count(object, ranks_role_names[role], values[role]);
  }
  return object;
}

static json_t *nodes_json(const struct ranks *ranks) {
  json_t *array = json_array();
  for (size_t i = 0; i < ranks->nodes_count; i++) {
    const struct ranks_node *node = &ranks->nodes[i];
    uint64_t counts[RANKS_ROLES];
    json_t *object = json_object();
    for (int role = 0; role < RANKS_ROLES; role++) {
      counts[role] = node->counts[role];
    }
    json_put_text(object, "host", node->host);
    json_object_set_new(object, "processes", roles_json(counts));
    json_put_count(object, "peak_bytes", node->peak_bytes);
    json_put_bool(object, "exact", node->exact);
    json_put_count(object, "time_ns", node->time_ns);
    json_object_set_new(object, "bytes_at_peak", roles_json(node->at_peak));
    json_put_count(object, "sum_of_peaks", node->sum_of_peaks);
    json_array_append_new(array, object);
  }
  return array;
}

static json_t *projections_json(const struct ranks *ranks) {
  json_t *array = json_array();
  for (size_t i = 0; i < ranks->projections_count; i++) {
    json_t *object = json_object();
    json_put_count(object, "bits", ranks->projections[i].bits);
    json_put_count(object, "highest_peak_bytes", ranks->projections[i].highest_peak_bytes);
    put_path(object, "highest_path", ranks, ranks->projections[i].at_highest);
    json_array_append_new(array, object);
  }
  return array;
}

static void put_process_figures(json_t *object, const struct ranks_process *process) {
  json_object_set_new(object, "peak", report_json_peak(&process->peak));
  json_object_set_new(object, "categories_at_peak", report_json_categories(process->categories));
  json_put_count(object, "bytes_at_node_peak", process->at_node_peak);
  json_put_count(object, "steps", process->steps);
  json_put_known(object, "saved_step", process->saved_step);
  json_put_count(object, "saved_bytes", process->saved_bytes);
  json_object_set_new(object, "projection", report_json_projections(process->projections, process->projections_count));
}

static json_t *process_json(const struct ranks *ranks, const struct ranks_process *process) {
  json_t *object = json_object();
  json_put_text(object, "path", process->path);
  json_put_text(object, "role", ranks_role_names[process->role]);
  json_put_known(object, "rank", process->rank);
  put_path(object, "main_path", ranks, process->main);
  json_put_text(object, "host", process->host);
  json_put_integer(object, "pid", process->pid);
  json_put_known(object, "ppid", process->ppid);
  json_put_text(object, "command", process->command);
  json_put_text(object, "framework", process->framework);
  json_put_known(object, "exit_status", process->exit_status);
  json_put_bool(object, "complete", process->complete);
  json_put_text(object, "damage", process->damage);
  json_put_count(object, "begin_ns", process->start_unix_ns - ranks->begin_unix_ns);
  json_put_count(object, "wall_ns", process->wall_ns);
  json_put_count(object, "events", process->events);
  put_process_figures(object, process);
  return object;
}

static json_t *processes_json(const struct ranks *ranks, size_t top) {
  json_t *array = json_array();
  for (size_t i = 0; i < ranks->processes_count && (!top || i < top); i++) {
    json_array_append_new(array, process_json(ranks, &ranks->processes[i]));
  }
  return array;
}

static json_t *failures_json(const struct ranks *ranks) {
  json_t *array = json_array();
  for (size_t i = 0; i < ranks->failures_count; i++) {
    json_t *object = json_object();
    json_put_text(object, "path", ranks->failures[i].path);
    json_put_text(object, "reason", ranks->failures[i].reason);
    json_array_append_new(array, object);
  }
  return array;
}

static json_t *missing_json(const struct ranks *ranks) {
  json_t *array = json_array();
  for (int rank = 0; ranks->distributed && rank < ranks->world_size; rank++) {
    if (!ranks_has(ranks, rank)) {
      json_array_append_new(array, json_integer(rank));
    }
  }
  return array;
}

void ranks_json_emit(struct sink *sink, const struct ranks *ranks, const struct report_options *options) {
  json_t *root = json_begin("actscope.ranks/1");
  json_put_count(root, "mains", ranks->mains);
  json_put_bool(root, "distributed", ranks->distributed);
  json_put_known(root, "world_size", ranks->world_size ? ranks->world_size : -1);
  json_object_set_new(root, "missing_ranks", missing_json(ranks));
  json_put_count(root, "start_unix_ns", ranks->begin_unix_ns);
  json_put_count(root, "wall_ns", ranks->end_unix_ns - ranks->begin_unix_ns);
  put_path(root, "highest_path", ranks, ranks->peak.at_highest);
  json_object_set_new(root, "spread", spreads_json(ranks));
  json_object_set_new(root, "nodes", nodes_json(ranks));
  json_object_set_new(root, "projection", projections_json(ranks));
  json_object_set_new(root, "processes", processes_json(ranks, options->top));
  json_object_set_new(root, "failures", failures_json(ranks));
  json_emit(sink, root);
}
