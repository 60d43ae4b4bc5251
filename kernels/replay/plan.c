/* A dry step at each width. */
#include "kernels/replay/plan.h"

static int plan_width(struct plan *plan, size_t width, const struct model_run_options *options, unsigned bits,
                      struct error *err) {
  int code = model_run(options, bits, true, &plan->runs[width], err);
  plan->widths_count++;
  if (code == 0) {
    code = saved_rows_by_op(&plan->runs[width].saved, &plan->by_op[width], err);
    saved_rows_group(&plan->runs[width].saved);
  }
  return code;
}

int plan_make(struct plan *plan, const struct plan_options *options, struct error *err) {
  const struct model_run_options run = {
      .model = options->model, .optimizer = options->optimizer, .steps = 1, .method = options->method};
  *plan = (struct plan){.optimizer = options->optimizer};
  if (options->bits_count > QUANTIZER_BITS_MAX) {
    return error_set(err, ERROR_USAGE, "plan: more than %d widths", QUANTIZER_BITS_MAX);
  }
  int code = plan_width(plan, 0, &run, 0, err);
  for (size_t i = 0; code == 0 && i < options->bits_count; i++) {
    code = plan_width(plan, 1 + i, &run, options->bits[i], err);
  }
  return code;
}

void plan_fini(struct plan *plan) {
  for (size_t i = 0; i < plan->widths_count; i++) {
    model_run_fini(&plan->runs[i]);
    saved_rows_fini(&plan->by_op[i]);
  }
  *plan = (struct plan){0};
}
