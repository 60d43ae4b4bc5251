/* What a dry step counts is what a step really takes, to the byte, for every family, exact and few-bit; and the
 * difference between the two is that of the codes. */
#include "kernels/replay/plan.h"

#include "kernels/code.h"
#include "kernels/models/choice.h"
#include "tests/replay/small_models.h"

#include <criterion/criterion.h>
#include <string.h>

static struct plan_options plan_options_of(size_t model, const char *activation) {
  return (struct plan_options){.model = small_model(model, activation),
                               .optimizer = optimizer_defaults(OPTIMIZER_ADAMW),
                               .bits = {1, 3, 4},
                               .bits_count = 3};
}

static struct plan plan_of(const struct plan_options *options) {
  struct plan plan;
  struct error err;
  cr_assert_eq(plan_make(&plan, options, &err), 0, "%s", err.message);
  return plan;
}

static void expect_measured(const struct plan_options *options, const struct model_run *planned) {
  const struct model_run_options run = {
      .model = options->model, .optimizer = options->optimizer, .steps = 2, .seed = 3, .method = options->method};
  struct model_run measured;
  struct error err;
  cr_assert_eq(model_run(&run, planned->bits, false, &measured, &err), 0, "%s", err.message);
  const char *name = options->model.name;
  const struct memory *real = &measured.train.meter, *dry = &planned->train.meter;
  cr_expect_eq(real->peak, dry->peak, "%s at %u bits: %zu, planned %zu", name, planned->bits, real->peak, dry->peak);
  cr_expect_eq(measured.saved_bytes, planned->saved_bytes, "%s at %u bits", name, planned->bits);
  cr_expect_eq(real->saved_at_peak, dry->saved_at_peak, "%s at %u bits", name, planned->bits);
  cr_expect_eq(memcmp(real->at_peak, dry->at_peak, sizeof real->at_peak), 0, "%s at %u bits", name, planned->bits);
  cr_expect_eq(measured.parameters, planned->parameters);
  saved_rows_group(&measured.saved);
  cr_assert_eq(measured.saved.count, planned->saved.count);
  for (size_t i = 0; i < measured.saved.count; i++) {
    cr_expect_str_eq(measured.saved.rows[i].layer, planned->saved.rows[i].layer);
    cr_expect_eq(measured.saved.rows[i].bytes, planned->saved.rows[i].bytes, "%s: %s", name,
                 planned->saved.rows[i].layer);
  }
  model_run_fini(&measured);
}

Test(plan, measured_to_the_byte) {
  for (size_t model = 0; model < SMALL_MODELS; model++) {
    const struct plan_options options = plan_options_of(model, NULL);
    struct plan plan = plan_of(&options);
    cr_assert_eq(plan.widths_count, 4);
    for (size_t i = 0; i < plan.widths_count; i++) {
      expect_measured(&options, &plan.runs[i]);
    }
    plan_fini(&plan);
  }
}

Test(plan, kinds_and_rows_add_up) {
  for (size_t model = 0; model < SMALL_MODELS; model++) {
    const struct plan_options options = plan_options_of(model, NULL);
    struct plan plan = plan_of(&options);
    for (size_t i = 0; i < plan.widths_count; i++) {
      const struct model_run *run = &plan.runs[i];
      size_t sum = 0;
      for (int kind = 0; kind < MEMORY_KINDS; kind++) {
        sum += run->train.meter.at_peak[kind];
      }
      cr_expect_eq(sum, run->train.meter.peak);
      cr_expect_geq(run->train.meter.at_peak[MEMORY_PARAMETER], run->parameters * sizeof(float));
      cr_expect_eq(run->train.meter.at_peak[MEMORY_OPTIMIZER], 2 * run->parameters * sizeof(float));
      cr_expect_eq(saved_rows_bytes(&run->saved), saved_rows_bytes(&plan.by_op[i]));
      cr_expect_eq(saved_rows_bytes(&run->saved), run->saved_bytes, "%s at %u bits: rows %zu, meter %zu",
                   options.model.name, run->bits, saved_rows_bytes(&run->saved), run->saved_bytes);
    }
    plan_fini(&plan);
  }
}

static size_t bytes_of(const struct saved_rows *rows, const char *op) {
  for (size_t i = 0; i < rows->count; i++) {
    if (strcmp(rows->rows[i].op, op) == 0) {
      return rows->rows[i].bytes;
    }
  }
  return 0;
}

/* gelu's input is held by nobody else in gpt, bert and vit: exact bytes go, codes come. */
Test(plan, codes_take_the_place_of_inputs) {
  for (size_t model = 1; model <= 3; model++) {
    const struct plan_options options = plan_options_of(model, "gelu");
    struct plan plan = plan_of(&options);
    const size_t exact = bytes_of(&plan.by_op[0], "gelu");
    const size_t calls = 2 + (strcmp(options.model.family, "bert") == 0 && options.model.classes == 0);
    cr_assert_gt(exact, 0);
    for (size_t i = 1; i < plan.widths_count; i++) {
      const size_t codes = bytes_of(&plan.by_op[i], "gelu");
      cr_expect_eq(plan.runs[0].saved_bytes - plan.runs[i].saved_bytes, exact - codes, "%s", options.model.name);
      cr_expect_geq(codes, exact / sizeof(float) * plan.runs[i].bits / 8);
      cr_expect_lt(codes, exact / sizeof(float) * plan.runs[i].bits / 8 + calls);
    }
    plan_fini(&plan);
  }
}

/* relu keeps its result, which the next layer holds anyway: codes come on top. */
Test(plan, shared_results_gain_nothing) {
  const struct plan_options options = plan_options_of(0, "relu");
  struct plan plan = plan_of(&options);
  cr_expect_gt(plan.runs[1].saved_bytes, plan.runs[0].saved_bytes);
  plan_fini(&plan);
}

/* A model of terabytes: nothing is taken. 96 layers, width 12288, as GPT-3 has them. */
Test(plan, larger_than_any_machine) {
  struct plan_options options = {.optimizer = optimizer_defaults(OPTIMIZER_ADAMW), .bits = {3}, .bits_count = 1};
  struct error err;
  static const char *const keys[][2] = {{"layers", "96"}, {"width", "12288"}, {"heads", "96"}, {"batch", "512"}};
  cr_assert_eq(model_options_find(&options.model, "gpt2-xl", &err), 0, "%s", err.message);
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    cr_assert_eq(model_options_set(&options.model, keys[i][0], keys[i][1], &err), 0, "%s", err.message);
  }
  struct plan plan = plan_of(&options);
  cr_expect_gt(plan.runs[0].parameters, 170e9);
  cr_expect_gt(plan.runs[0].train.meter.peak, (size_t)10 << 40);
  /* gelu: 96 layers, 512 examples of 1024 words, 4 x 12288 wide. */
  cr_expect_eq(bytes_of(&plan.by_op[0], "gelu"), (size_t)96 * 512 * 1024 * 4 * 12288 * 4);
  cr_expect_eq(bytes_of(&plan.by_op[1], "gelu"), (size_t)96 * 512 * 1024 * 4 * 12288 * 3 / 8);
  plan_fini(&plan);
}

Test(plan, wrong_usage) {
  struct plan_options options = plan_options_of(0, NULL);
  struct plan plan;
  options.bits[0] = 9;
  cr_expect_eq(plan_make(&plan, &options, NULL), ERROR_USAGE);
  plan_fini(&plan);
  options.bits_count = QUANTIZER_BITS_MAX + 1;
  cr_expect_eq(plan_make(&plan, &options, NULL), ERROR_USAGE);
  plan_fini(&plan);
}
