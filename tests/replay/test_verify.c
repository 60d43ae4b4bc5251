/* Checks of gradients: arrays, lists, models. */
#include "kernels/replay/verify.h"

#include "kernels/replay/normal.h"
#include "kernels/replay/replay_model.h"
#include "kernels/replay/verify_train.h"
#include "tests/replay/small_models.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct verify_limits any = {-1, HUGE_VAL};

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

static struct npy normal_array(enum run_type type, size_t n, uint64_t stream) {
  struct npy npy = {.data = malloc(n * sizeof(float) + 1), .type = type, .shape = {n}, .dims = 1, .count = n};
  normal_fill(npy.data, type, n, 2, stream);
  return npy;
}

static int check_arrays(struct verify_result *result, const struct npy *x, const struct npy *dy, const char *function,
                        struct verify_limits limits) {
  static const unsigned bits[] = {1, 3};
  const struct verify_arrays options = {
      .x = x, .dy = dy, .function = function, .bits = bits, .bits_count = 2, .limits = limits};
  return verify_arrays(result, &options, NULL);
}

Test(verify, arrays) {
  static const enum run_type types[] = {RUN_FLOAT32, RUN_FLOAT16};
  for (size_t i = 0; i < 2; i++) {
    struct npy x = normal_array(types[i], 20001, 0), dy = normal_array(types[i], 20001, 1);
    struct verify_result result;
    cr_assert_eq(check_arrays(&result, &x, &dy, "gelu", (struct verify_limits){0.99, HUGE_VAL}), 0);
    const struct verify_width *one = &result.widths[0], *three = &result.widths[1];
    cr_expect(!one->passed && three->passed && !result.passed);
    cr_expect(one->start.min_cosine > 0.9 && one->start.min_cosine < three->start.min_cosine);
    cr_expect(one->start.count == 1 && one->start.rows[0].gradient.cosine == one->start.min_cosine);
    cr_expect_not(result.metered);
    verify_result_fini(&result);
    cr_assert_eq(check_arrays(&result, &x, &dy, "relu", (struct verify_limits){1, 0}), 0);
    cr_expect(result.passed, "relu is exact at one bit");
    verify_result_fini(&result);
    npy_fini(&x);
    npy_fini(&dy);
  }
}

Test(verify, arrays_that_do_not_fit) {
  struct npy x = normal_array(RUN_FLOAT32, 10, 0), half = normal_array(RUN_FLOAT16, 10, 1);
  struct npy longer = normal_array(RUN_FLOAT32, 11, 1), none = normal_array(RUN_FLOAT32, 0, 1);
  struct verify_result result;
  cr_expect_eq(check_arrays(&result, &x, &half, "gelu", any), ERROR_INPUT);
  verify_result_fini(&result);
  cr_expect_eq(check_arrays(&result, &x, &longer, "gelu", any), ERROR_INPUT);
  verify_result_fini(&result);
  cr_expect_eq(check_arrays(&result, &none, &none, "gelu", any), ERROR_INPUT);
  verify_result_fini(&result);
  cr_expect_eq(check_arrays(&result, &x, &x, "gelo", any), ERROR_USAGE);
  verify_result_fini(&result);
  npy_fini(&x);
  npy_fini(&half);
  npy_fini(&longer);
  npy_fini(&none);
}

/* Not even where no limit was set. */
Test(verify, not_a_number_never_passes) {
  struct npy x = normal_array(RUN_FLOAT32, 100, 0), dy = normal_array(RUN_FLOAT32, 100, 1);
  struct verify_result result;
  ((float *)dy.data)[17] = NAN;
  cr_assert_eq(check_arrays(&result, &x, &dy, "gelu", any), 0);
  cr_expect(isnan(result.widths[0].start.min_cosine) && !result.passed);
  verify_result_fini(&result);
  npy_fini(&x);
  npy_fini(&dy);
}

/* They agree, and tell nothing. */
Test(verify, gradients_that_are_all_zero) {
  struct npy x = normal_array(RUN_FLOAT32, 100, 0), dy = normal_array(RUN_FLOAT32, 100, 1);
  struct verify_result result;
  memset(dy.data, 0, 100 * sizeof(float));
  cr_expect_eq(check_arrays(&result, &x, &dy, "gelu", any), ERROR_INPUT);
  verify_result_fini(&result);
  ((float *)dy.data)[17] = 1;
  cr_expect_eq(check_arrays(&result, &x, &dy, "gelu", any), 0);
  verify_result_fini(&result);
  npy_fini(&x);
  npy_fini(&dy);
}

/* ---- a list ------------------------------------------------------------------------------------------------------ */

Test(verify, every_activation_of_a_run) {
  const struct replay_activation list[] = {{"gelu", "float32", "blocks.0.act", 8000, 32000},
                                           {"gelu", "float64", "", 8000, 64000},
                                           {"gelu", "float32", "", 8000, 32000},
                                           {"relu", "bfloat16", "", 64, 128}};
  const struct replay_options options = {.bits = {2, 4}, .bits_count = 2};
  const struct verify_limits limits = {0.99, HUGE_VAL};
  struct verify_result result;
  cr_assert_eq(verify_run(&result, list, 4, &options, &limits, NULL), 0);
  cr_assert(result.widths_count == 2 && result.skipped == 1 && result.metered);
  const struct verify_rows *rows = &result.widths[0].start;
  cr_assert_eq(rows->count, 3);
  cr_expect_str_eq(rows->rows[0].name, "blocks.0.act");
  cr_expect_str_eq(rows->rows[1].name, "gelu 3");
  cr_expect(rows->rows[0].gradient.cosine != rows->rows[1].gradient.cosine);
  cr_expect(rows->rows[2].gradient.cosine == 1 && rows->rows[2].gradient.relative_error == 0);
  cr_expect(rows->min_cosine == fmin(rows->rows[0].gradient.cosine, rows->rows[1].gradient.cosine));
  cr_expect_float_eq(rows->mean_cosine, (rows->rows[0].gradient.cosine + rows->rows[1].gradient.cosine + 1) / 3, 1e-15);
  cr_expect(rows->max_relative_error ==
            fmax(rows->rows[0].gradient.relative_error, rows->rows[1].gradient.relative_error));
  cr_expect(result.exact.saved_bytes == 2 * 32000 + 128);
  cr_expect(result.widths[1].measured.saved_bytes == 2 * 4000 + 32);
  cr_expect(result.widths[1].measured.peak_bytes == result.widths[1].projected.peak_bytes);
  cr_expect(result.widths[1].passed);
  verify_result_fini(&result);
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

static struct verify_result check_model(size_t at, const char *activation, size_t steps, const unsigned *bits,
                                        size_t bits_count, struct verify_limits limits) {
  const struct verify_model options = {.run = {.model = small_model(at, activation),
                                               .optimizer = optimizer_defaults(OPTIMIZER_ADAMW),
                                               .steps = steps,
                                               .seed = 4},
                                       .bits = bits,
                                       .bits_count = bits_count,
                                       .limits = limits};
  struct verify_result result;
  struct error err;
  cr_assert_eq(verify_model(&result, &options, &err), 0, "%s", err.message);
  return result;
}

/* Every family; f' of relu is 0 or 1, one bit holds it, and the rest of the step is the very same. */
Test(verify, models_with_relu_are_exact) {
  static const unsigned bits[] = {1};
  for (size_t at = 0; at < SMALL_MODELS; at++) {
    struct verify_result result = check_model(at, "relu", 0, bits, 1, (struct verify_limits){1, 0});
    cr_expect(result.passed, "model %zu: %g", at, result.widths[0].start.min_cosine);
    cr_expect_gt(result.widths[0].start.count, 4);
    verify_result_fini(&result);
  }
}

Test(verify, model_by_width) {
  static const unsigned bits[] = {1, 4, 8};
  struct verify_result result = check_model(1, "gelu", 2, bits, 3, (struct verify_limits){0.9, HUGE_VAL});
  cr_assert(result.widths_count == 3 && result.steps == 2 && result.losses_count == 2);
  for (size_t i = 0; i < 3; i++) {
    const struct verify_width *width = &result.widths[i];
    cr_expect(width->start.count == width->trained.count && width->start.count == result.widths[0].start.count);
    cr_expect(width->losses[0] == result.losses[0], "forward is exact");
    cr_expect(width->losses[1] != result.losses[1], "the update is not");
    cr_expect_eq(width->measured.peak_bytes, width->projected.peak_bytes);
    cr_expect_eq(width->measured.saved_bytes, width->projected.saved_bytes);
    cr_expect_lt(width->measured.saved_bytes, result.exact.saved_bytes);
    cr_expect(width->start.min_cosine <= width->start.mean_cosine && width->start.mean_cosine < 1);
    if (i) {
      cr_expect_lt(width->start.whole.relative_error, result.widths[i - 1].start.whole.relative_error / 2);
      cr_expect_lt(width->trained.whole.relative_error, result.widths[i - 1].trained.whole.relative_error / 2);
    }
  }
  cr_expect(result.widths[2].passed && result.widths[2].start.whole.cosine > 0.9999);
  /* The last layer's gradient meets no activation on its way back: the same bits. */
  const struct verify_rows *rows = &result.widths[0].start;
  bool untouched = false;
  for (size_t i = 0; i < rows->count; i++) {
    untouched = untouched || (rows->rows[i].gradient.relative_error == 0 && rows->rows[i].gradient.cosine == 1);
  }
  cr_expect(untouched);
  verify_result_fini(&result);
}

/* Backward comes to the last layer before any activation function: its gradient is exact, the first layer's is not. */
Test(verify, where_the_error_is) {
  static const unsigned bits[] = {2};
  struct verify_result result = check_model(0, "gelu", 0, bits, 1, any);
  const struct verify_rows *rows = &result.widths[0].start;
  cr_expect(result.losses_count == 1 && rows->count >= 4 && result.widths[0].trained.count == 0);
  cr_expect_eq(rows->rows[rows->count - 1].gradient.relative_error, 0, "%s", rows->rows[rows->count - 1].name);
  cr_expect_gt(rows->rows[0].gradient.relative_error, 0, "%s", rows->rows[0].name);
  verify_result_fini(&result);
}

/* ---- replays of models ------------------------------------------------------------------------------------------- */

static void count_steps(void *context, const struct train_step *step) {
  size_t *steps = context;
  cr_expect_gt(step->step, 0);
  ++*steps;
}

Test(verify, replay_of_a_model) {
  size_t steps = 0;
  const struct replay_model_options options = {.run = {.model = small_model(5, NULL),
                                                       .optimizer = optimizer_defaults(OPTIMIZER_SGD),
                                                       .steps = 3,
                                                       .seed = 9,
                                                       .progress = count_steps,
                                                       .context = &steps},
                                               .bits = {0, 2},
                                               .bits_count = 2};
  struct replay_model replay, again;
  cr_assert_eq(replay_model(&replay, &options, NULL), 0);
  cr_assert_eq(replay_model(&again, &options, NULL), 0);
  cr_expect_eq(steps, 2 * 2 * 3);
  for (size_t i = 0; i < 2; i++) {
    const struct model_run *run = &replay.runs[i];
    cr_expect(run->train.steps == 3 && run->train.step_ns > 0);
    cr_expect_eq(run->train.meter.peak, replay.planned[i].train.meter.peak);
    cr_expect_eq(run->saved_bytes, replay.planned[i].saved_bytes);
    for (size_t step = 0; step < 3; step++) {
      cr_expect(run->train.curve[step].loss == again.runs[i].train.curve[step].loss, "the same seed");
    }
  }
  cr_expect(replay.runs[0].train.curve[0].loss == replay.runs[1].train.curve[0].loss);
  replay_model_fini(&replay);
  replay_model_fini(&again);
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

static struct data *open_text(char *folder) {
  const struct path path = path_join(folder, "text");
  char text[2001];
  struct data *data = NULL;
  struct error err;
  for (size_t i = 0; i < sizeof text - 1; i++) {
    text[i] = "the quick brown fox "[i * i % 20];
  }
  file_write(path.text, text, sizeof text - 1);
  cr_assert_eq(data_open(&data, DATA_TEXT, path.text, &err), 0, "%s", err.message);
  return data;
}

Test(verify, training_over_seeds) {
  char *folder = folder_make();
  struct data *data = open_text(folder);
  struct verify_train_options options = {.run = {.model = small_model(1, "gelu"),
                                                 .optimizer = optimizer_defaults(OPTIMIZER_ADAMW),
                                                 .steps = 10,
                                                 .seed = 2,
                                                 .data = data},
                                         .bits = {1, 8},
                                         .bits_count = 2,
                                         .seeds = 3,
                                         .test_batches = 2};
  struct verify_training training;
  struct error err;
  cr_assert_eq(data_fit(data, &options.run.model, &err), 0, "%s", err.message);
  cr_assert_eq(verify_train(&training, &options, &err), 0, "%s", err.message);
  cr_assert(training.count == 3 && training.seeds == 3 && training.parameters > 100);
  for (size_t i = 0; i < 3; i++) {
    const struct verify_outcome *outcome = &training.outcomes[i];
    const double a = outcome->runs[0].loss, b = outcome->runs[1].loss, c = outcome->runs[2].loss;
    cr_expect(a != b && b != c, "seeds differ");
    cr_expect_float_eq(outcome->loss.mean, (a + b + c) / 3, 1e-12);
    cr_expect(outcome->loss.low == fmin(a, fmin(b, c)) && outcome->loss.high == fmax(a, fmax(b, c)));
    cr_expect_float_eq(
        outcome->loss.deviation,
        sqrt((pow(a - (a + b + c) / 3, 2) + pow(b - (a + b + c) / 3, 2) + pow(c - (a + b + c) / 3, 2)) / 2), 1e-9);
    const struct verify_outcome *exact = training.outcomes;
    cr_expect_eq(outcome->within,
                 outcome->loss.mean <= exact->loss.high && outcome->accuracy.mean >= exact->accuracy.low);
  }
  cr_expect(training.outcomes[0].within);
  /* 8 bits change less than a seed does. */
  cr_expect_lt(fabs(training.outcomes[2].loss.mean - training.outcomes[0].loss.mean),
               training.outcomes[0].loss.high - training.outcomes[0].loss.low);
  options.seeds = 0;
  cr_expect_eq(verify_train(&training, &options, NULL), ERROR_USAGE);
  options.seeds = 1;
  options.run.data = NULL;
  cr_expect_eq(verify_train(&training, &options, NULL), ERROR_USAGE);
  data_close(data);
  folder_remove(folder);
}
