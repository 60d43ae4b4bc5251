/* A check of gradients as JSON: the contract of actscope.verify/1. */
#include "reports/figures.h"
#include "reports/json.h"
#include "reports/verify_view.h"

#include <math.h>

static json_t *real_json(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

static void put_rows(json_t *object, const struct verify_rows *rows) {
  json_t *list = json_array();
  for (size_t i = 0; i < rows->count; i++) {
    json_t *row = json_object();
    json_put_text(row, "name", rows->rows[i].name);
    json_put_real(row, "cosine", rows->rows[i].gradient.cosine);
    json_put_real(row, "relative_error", rows->rows[i].gradient.relative_error);
    json_array_append_new(list, row);
  }
  json_object_set_new(object, "parameters", list);
  json_put_real(object, "min_cosine", rows->min_cosine);
  json_put_real(object, "mean_cosine", rows->mean_cosine);
  json_put_real(object, "max_relative_error", rows->max_relative_error);
  json_put_real(object, "whole_cosine", rows->whole.cosine);
  json_put_real(object, "whole_relative_error", rows->whole.relative_error);
}

static json_t *memory_json(const struct verify_memory *memory) {
  json_t *object = json_object();
  json_put_count(object, "peak_bytes", memory->peak_bytes);
  json_put_count(object, "saved_bytes", memory->saved_bytes);
  return object;
}

static json_t *losses_json(const float *losses, size_t count) {
  json_t *list = json_array();
  for (size_t i = 0; losses && i < count; i++) {
    json_array_append_new(list, real_json((double)losses[i]));
  }
  return list;
}

static json_t *width_json(const struct verify_result *result, const struct verify_width *width) {
  json_t *object = json_object(), *memory = json_object(), *loss = json_object();
  json_put_count(object, "bits", width->bits);
  put_rows(object, &width->start);
  if (width->trained.count) {
    json_t *trained = json_object();
    json_put_count(trained, "steps", result->steps);
    put_rows(trained, &width->trained);
    json_object_set_new(object, "trained", trained);
  }
  if (result->metered) {
    json_object_set_new(memory, "exact", memory_json(&result->exact));
    json_object_set_new(memory, "measured", memory_json(&width->measured));
    json_object_set_new(memory, "projected", memory_json(&width->projected));
    json_object_set_new(object, "memory", memory);
  } else {
    json_decref(memory);
  }
  json_object_set_new(loss, "exact", losses_json(result->losses, result->losses_count));
  json_object_set_new(loss, "few_bit", losses_json(width->losses, result->losses_count));
  json_object_set_new(object, "loss", loss);
  json_put_bool(object, "passed", width->passed);
  return object;
}

void verify_json_emit(struct sink *sink, const struct verify_view *view, const struct verify_result *result) {
  static const char *const kinds[] = {"arrays", "run", "model"};
  json_t *root = json_begin("actscope.verify/1"), *bits = json_array(), *limits = json_object();
  double least = 1, sum = 0;
  json_put_text(root, "kind", kinds[view->subject]);
  json_put_text(root, "model", view->name);
  json_put_text(root, "data", view->data);
  json_put_text(root, "method", quantizer_method_name(view->method));
  json_put_count(root, "seed", view->seed);
  for (size_t i = 0; i < result->widths_count; i++) {
    const double cosine = result->widths[i].start.min_cosine;
    least = isnan(cosine) || cosine < least ? cosine : least;
    sum += result->widths[i].start.mean_cosine;
    json_array_append_new(bits, width_json(result, &result->widths[i]));
  }
  json_object_set_new(root, "bits", bits);
  json_put_real(root, "min_cosine", least);
  json_put_real(root, "mean_cosine", result->widths_count ? sum / (double)result->widths_count : 1);
  json_put_real(limits, "min_cosine", view->limits.min_cosine);
  json_put_real(limits, "max_relative_error", view->limits.max_relative_error);
  json_object_set_new(root, "limits", limits);
  json_put_count(root, "skipped", result->skipped);
  json_put_bool(root, "passed", result->passed);
  json_emit(sink, root);
}
