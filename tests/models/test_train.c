/* Training: losses fall, hooks hear, meters tell, and all of it is the same each time. */
#include "kernels/models/train.h"
#include "tests/models/digits_file.h"
#include "tests/models/small.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static struct data *open_digits(void) {
  char *folder = folder_make();
  struct path path = path_join(folder, "digits.csv.gz");
  struct data *data;
  struct error err = {""};
  digits_file_write(path.text, 200, true);
  cr_assert_eq(data_open(&data, DATA_DIGITS, path.text, &err), 0, "%s", err.message);
  folder_remove(folder);
  return data;
}

struct run {
  struct memory memory;
  struct data *data;
  struct model *model;
  struct train_options options;
  struct train_result result;
};

static void run_open(struct run *run, const char *preset, const char *settings, size_t steps, unsigned bits, bool dry) {
  struct model_options options = small_options(preset, settings);
  struct error err = {""};
  memset(run, 0, sizeof *run);
  memory_init(&run->memory, dry);
  run->data = open_digits();
  cr_assert_eq(data_fit(run->data, &options, &err), 0, "%s", err.message);
  run->model = small_model(&options, &run->memory, 1);
  run->options = (struct train_options){
      .optimizer = optimizer_defaults(OPTIMIZER_ADAMW), .steps = steps, .seed = 1, .data = run->data};
  run->options.optimizer.rate = 0.01F;
  cr_assert_eq(choice_open_model(&run->options.fewbit, bits, FEWBIT_VALUE, &options, &err), 0, "%s", err.message);
}

static int run_go(struct run *run, const struct train_hooks *hooks) {
  struct error err = {""};
  int code = train_run(run->model, &run->options, hooks, &run->result, &err);
  cr_assert(code >= 0, "%s", err.message);
  return code;
}

static void run_close(struct run *run) {
  train_result_fini(&run->result);
  choice_close(&run->options.fewbit);
  model_free(run->model);
  data_close(run->data);
  cr_expect_eq(run->memory.live, 0);
}

static const char mlp[] = "layers=2 width=32 batch=20";

Test(train, learns_what_can_be_learnt) {
  for (unsigned bits = 0; bits <= 3; bits += 3) {
    struct run run;
    struct train_evaluation before, after;
    run_open(&run, "mlp", mlp, 60, bits, false);
    cr_assert_eq(train_evaluate(run.model, run.data, 0, &before, NULL), 0);
    run_go(&run, NULL);
    cr_assert_eq(train_evaluate(run.model, run.data, 0, &after, NULL), 0);
    cr_expect(before.count == 40 && before.accuracy < 0.5 && fabs(before.loss - log(10)) < 0.5);
    cr_expect(after.accuracy > 0.95 && after.loss < 0.3, "%u bits: %g, %g", bits, after.accuracy, after.loss);
    cr_expect_eq(run.result.steps, 60);
    cr_expect(run.result.curve[59].loss < run.result.curve[0].loss / 4);
    run_close(&run);
  }
}

Test(train, the_same_seed_gives_the_same_curve) {
  struct run one, same, other;
  run_open(&one, "vit", "layers=1 width=8 heads=2 batch=8 dropout=0.2", 5, 2, false);
  run_open(&same, "vit", "layers=1 width=8 heads=2 batch=8 dropout=0.2", 5, 2, false);
  run_open(&other, "vit", "layers=1 width=8 heads=2 batch=8 dropout=0.2", 5, 2, false);
  other.options.seed = 2;
  run_go(&one, NULL);
  run_go(&same, NULL);
  run_go(&other, NULL);
  bool different = false;
  for (size_t i = 0; i < 5; i++) {
    cr_expect_eq(one.result.curve[i].loss, same.result.curve[i].loss);
    different |= one.result.curve[i].loss != other.result.curve[i].loss;
    cr_expect_eq(one.result.curve[i].step, i + 1);
    cr_expect_gt(one.result.curve[i].ns, 0);
  }
  cr_expect(different);
  run_close(&one);
  run_close(&same);
  run_close(&other);
}

/* ---- hooks ----------------------------------------------------------------------------------------------------- */

struct heard {
  size_t forward, gradients, steps, stop_at, saved;
};

static int on_forward(void *context, const struct tape *tape) {
  struct heard *heard = context;
  cr_expect(heard->forward == heard->steps && heard->gradients == heard->steps);
  heard->forward++;
  heard->saved = tape->memory->saved;
  return 0;
}

static int on_gradients(void *context, const struct model *model) {
  struct heard *heard = context;
  cr_expect_eq(heard->forward, heard->gradients + 1);
  heard->gradients++;
  for (size_t i = 0; i < model->parameters_count; i++) {
    cr_expect(model->parameters[i].value.gradient);
  }
  return 0;
}

static int on_step(void *context, const struct train_step *step) {
  struct heard *heard = context;
  heard->steps++;
  cr_expect_eq(step->step, heard->steps);
  return heard->steps == heard->stop_at ? 7 : 0;
}

Test(train, hooks_hear_in_order_and_may_stop) {
  struct run run;
  struct heard heard = {.stop_at = 3};
  const struct train_hooks hooks = {&heard, on_forward, on_gradients, on_step};
  run_open(&run, "mlp", mlp, 10, 0, false);
  cr_expect_eq(run_go(&run, &hooks), 7);
  cr_expect(heard.forward == 3 && heard.gradients == 3 && heard.steps == 3);
  cr_expect_eq(run.result.steps, 3);
  cr_expect_eq(run.result.meter.saved_peak, heard.saved, "all that is saved is saved when forward is over");
  run_close(&run);
}

/* ---- meters ---------------------------------------------------------------------------------------------------- */

Test(train, few_bits_save_and_a_dry_run_knows_how_much) {
  struct run exact, few, dry;
  run_open(&exact, "mlp", mlp, 3, 0, false);
  run_open(&few, "mlp", mlp, 3, 3, false);
  run_open(&dry, "mlp", mlp, 1, 3, true);
  run_go(&exact, NULL);
  run_go(&few, NULL);
  run_go(&dry, NULL);
  const size_t elements = 2 * 20 * 32; /* of both activations */
  cr_expect_eq(exact.result.meter.saved_peak - few.result.meter.saved_peak, 4 * elements - elements * 3 / 8);
  cr_expect_eq(few.result.meter.peak, dry.result.meter.peak);
  cr_expect_eq(few.result.meter.saved_peak, dry.result.meter.saved_peak);
  cr_expect_eq(memcmp(few.result.meter.at_peak, dry.result.meter.at_peak, sizeof few.result.meter.at_peak), 0);
  size_t sum = 0;
  for (int kind = 0; kind < MEMORY_KINDS; kind++) {
    sum += exact.result.meter.at_peak[kind];
  }
  cr_expect_eq(sum, exact.result.meter.peak);
  cr_expect_eq(exact.result.meter.at_peak[MEMORY_OPTIMIZER], 2 * exact.result.meter.at_peak[MEMORY_PARAMETER]);
  run_close(&exact);
  run_close(&few);
  run_close(&dry);
}

/* A rate that rises from a tenth: the first of ten steps of SGD goes a tenth as far. */
Test(train, warmup) {
  float moved[2];
  for (size_t k = 0; k < 2; k++) {
    struct run run;
    run_open(&run, "mlp", mlp, 1, 0, false);
    run.options.optimizer = optimizer_defaults(OPTIMIZER_SGD);
    run.options.optimizer.rate = 1;
    run.options.warmup = k ? 10 : 0;
    const float *bias = tensor_floats(small_parameter(run.model, "head.bias")->value.tensor), before = bias[0];
    run_go(&run, NULL);
    moved[k] = bias[0] - before;
    run_close(&run);
  }
  cr_expect(moved[0] != 0);
  cr_expect_float_eq(moved[1] / moved[0], 0.1, 1e-4);
}

/* A meter that gives no more than a part of what is needed: an error with a reason, and nothing left behind. */
Test(train, out_of_memory) {
  for (const struct small_case *c = small_cases; c->preset; c++) {
    struct model_options options = small_options(c->preset, c->settings);
    const struct train_options training = {.optimizer = optimizer_defaults(OPTIMIZER_ADAMW), .steps = 1, .seed = 1};
    size_t peak = 0;
    for (size_t part = 32; part > 0; part--) { /* all of it first */
      struct memory memory;
      struct model *model;
      struct train_result result = {0};
      struct error err = {""};
      memory_init(&memory, false);
      memory.limit = part < 32 ? peak * part / 32 : 0;
      int code = model_new(&model, &options, &memory, 1, &err);
      if (code == 0) {
        code = train_run(model, &training, NULL, &result, &err);
        peak = part == 32 ? memory.peak : peak;
      }
      cr_expect_eq(code, part == 32 ? 0 : ERROR_MEMORY, "%s, %zu of 32: %d, %s", c->settings, part, code, err.message);
      cr_expect_eq(err.message[0] == 0, code == 0);
      train_result_fini(&result);
      model_free(model);
      cr_expect_eq(memory.live, 0, "%s, %zu of 32: %zu bytes are left", c->settings, part, memory.live);
    }
  }
}
