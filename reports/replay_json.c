/* A replayed run as JSON. */
#include "reports/json.h"
#include "reports/replay_view.h"

static json_t *width_json(const struct replay_width *width) {
  json_t *object = json_object();
  json_put_count(object, "bits", width->bits);
  json_put_count(object, "held_bytes", width->held);
  json_put_count(object, "projected_bytes", width->projected);
  json_put_real(object, "forward_ns", width->forward_ns);
  json_put_real(object, "backward_ns", width->backward_ns);
  json_put_real(object, "cosine", width->gradient.cosine);
  json_put_real(object, "relative_error", width->gradient.relative_error);
  return object;
}

static json_t *group_json(const struct replay_group *group, size_t widths_count) {
  json_t *object = json_object(), *widths = json_array();
  json_put_text(object, "function", group->function);
  json_put_text(object, "dtype", group->dtype);
  json_put_text(object, "layer", group->layer);
  json_put_count(object, "elements", group->elements);
  json_put_count(object, "count", group->count);
  json_put_count(object, "recorded_bytes", group->recorded * group->count);
  json_put_text(object, "skipped", group->skipped);
  for (size_t i = 0; !group->skipped && i < widths_count; i++) {
    json_array_append_new(widths, width_json(&group->widths[i]));
  }
  json_object_set_new(object, "widths", widths);
  return object;
}

void replay_json_emit(struct sink *sink, const struct replay_source *source, const struct replay_options *options,
                      const struct replay_result *result) {
  json_t *root = json_begin("actscope.replay/1"), *list = json_array(), *total = json_array();
  json_put_text(root, "kind", "run");
  json_put_text(root, "run", source->run);
  json_put_known(root, "step", source->step);
  json_put_text(root, "inputs", "normal:0:1");
  json_put_count(root, "seed", options->seed);
  json_put_text(root, "method", quantizer_method_name(options->method));
  json_put_count(root, "eligible", result->activations);
  json_put_count(root, "replayed", result->replayed);
  for (size_t i = 0; i < result->groups_count; i++) {
    json_array_append_new(list, group_json(&result->groups[i], result->widths_count));
  }
  json_object_set_new(root, "activations", list);
  for (size_t i = 0; i < result->widths_count; i++) {
    json_t *object = width_json(&result->total[i]);
    json_put_count(object, "peak_bytes", result->total[i].peak);
    json_array_append_new(total, object);
  }
  json_object_set_new(root, "total", total);
  json_emit(sink, root);
}
