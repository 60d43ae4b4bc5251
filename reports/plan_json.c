/* A plan as JSON. */
#include "reports/figures.h"
#include "reports/json.h"
#include "reports/plan_view.h"
#include "reports/saved_view.h"

static json_t *width_json(const struct model_run *run, const struct saved_rows *by_op, size_t exact_peak) {
  json_t *object = json_object();
  const struct memory *meter = &run->train.meter;
  json_put_count(object, "bits", run->bits);
  json_put_count(object, "peak_bytes", meter->peak);
  json_put_integer(object, "saving_bytes", (int64_t)exact_peak - (int64_t)meter->peak);
  json_put_real(object, "saving_percent",
                exact_peak ? 100 * ((double)exact_peak - (double)meter->peak) / (double)exact_peak : 0);
  json_put_count(object, "saved_bytes", run->saved_bytes);
  json_object_set_new(object, "at_peak", figures_kinds_json(meter->at_peak));
  json_put_count(object, "saved_at_peak", meter->saved_at_peak);
  json_object_set_new(object, "by_op", saved_rows_json(by_op));
  json_object_set_new(object, "layers", saved_rows_json(&run->saved));
  return object;
}

void plan_json_emit(struct sink *sink, const struct plan *plan) {
  json_t *root = json_begin("actscope.plan/1"), *widths = json_array();
  json_object_set_new(root, "model", figures_model_json(&plan->runs[0].model));
  json_put_text(root, "precision", "float32");
  json_put_text(root, "optimizer", optimizer_name(plan->optimizer.kind));
  json_put_count(root, "parameters", plan->runs[0].parameters);
  for (size_t i = 0; i < plan->widths_count; i++) {
    json_array_append_new(widths, width_json(&plan->runs[i], &plan->by_op[i], plan->runs[0].train.meter.peak));
  }
  json_object_set_new(root, "widths", widths);
  json_emit(sink, root);
}

void models_json_emit(struct sink *sink, const struct preset *presets) {
  json_t *root = json_begin("actscope.models/1"), *list = json_array();
  for (; presets->name; presets++) {
    json_t *object = json_object();
    json_put_text(object, "name", presets->name);
    json_put_text(object, "summary", presets->summary);
    json_array_append_new(list, object);
  }
  json_object_set_new(root, "models", list);
  json_emit(sink, root);
}
