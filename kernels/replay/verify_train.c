/* Seeds by widths. */
#include "kernels/replay/verify_train.h"

#include "kernels/models/choice.h"

#include <math.h>

static double last_tenth(const struct train_result *train) {
  const size_t count = train->steps / 10 ? train->steps / 10 : 1;
  double sum = 0;
  for (size_t i = train->steps - count; i < train->steps; i++) {
    sum += (double)train->curve[i].loss;
  }
  return sum / (double)count;
}

static int on_step(void *context, const struct train_step *step) {
  const struct model_run_options *options = context;
  if (options->progress) {
    options->progress(options->context, step);
  }
  return 0;
}

static int train_one(struct verify_outcome *outcome, size_t at, const struct verify_train_options *options,
                     struct model *model, const struct fewbit_choice *choice, uint64_t seed, struct error *err) {
  const struct model_run_options *run = &options->run;
  const struct train_options train_options = {.optimizer = run->optimizer,
                                              .steps = run->steps,
                                              .warmup = run->warmup,
                                              .seed = seed,
                                              .data = run->data,
                                              .fewbit = *choice};
  struct model_run_options listener = *run; /* hooks take no const */
  const struct train_hooks hooks = {.context = &listener, .step = on_step};
  struct train_result train;
  int code = train_run(model, &train_options, &hooks, &train, err);
  if (code == 0) {
    outcome->training_loss[at] = last_tenth(&train);
    code = train_evaluate(model, run->data, options->test_batches, &outcome->runs[at], err);
  }
  train_result_fini(&train);
  return code;
}

/* Seed number `at` of one width: weights, batches and dropout all from it. */
static int run_seed(struct verify_training *training, struct verify_outcome *outcome, size_t at,
                    const struct verify_train_options *options, const struct fewbit_choice *choice, struct error *err) {
  const uint64_t seed = options->run.seed + at;
  struct memory memory;
  struct model *model = NULL;
  memory_init(&memory, false);
  int code = model_new(&model, &options->run.model, &memory, seed, err);
  if (code == 0) {
    training->parameters = model_run_parameters(model);
    code = train_one(outcome, at, options, model, choice, seed, err);
  }
  model_free(model);
  return code;
}

static struct verify_spread spread_of(const double *values, size_t count) {
  struct verify_spread spread = {.low = values[0], .high = values[0]};
  for (size_t i = 0; i < count; i++) {
    spread.mean += values[i] / (double)count;
    spread.low = fmin(spread.low, values[i]);
    spread.high = fmax(spread.high, values[i]);
  }
  for (size_t i = 0; count > 1 && i < count; i++) {
    spread.deviation += (values[i] - spread.mean) * (values[i] - spread.mean) / (double)(count - 1);
  }
  spread.deviation = sqrt(spread.deviation);
  return spread;
}

static void summarise(struct verify_outcome *outcome, size_t seeds) {
  double losses[VERIFY_SEEDS_MAX] = {0}, accuracies[VERIFY_SEEDS_MAX] = {0};
  for (size_t i = 0; i < seeds; i++) {
    losses[i] = outcome->runs[i].loss;
    accuracies[i] = outcome->runs[i].accuracy;
  }
  outcome->loss = spread_of(losses, seeds);
  outcome->accuracy = spread_of(accuracies, seeds);
}

static int run_width(struct verify_training *training, const struct verify_train_options *options, unsigned bits,
                     struct error *err) {
  struct verify_outcome *outcome = &training->outcomes[training->count++];
  struct fewbit_choice choice = {0};
  outcome->bits = bits;
  int code = choice_open_model(&choice, bits, (int)options->run.method, &options->run.model, err);
  for (size_t i = 0; code == 0 && i < options->seeds; i++) {
    code = run_seed(training, outcome, i, options, &choice, err);
  }
  choice_close(&choice);
  if (code == 0) {
    const struct verify_outcome *exact = training->outcomes;
    summarise(outcome, options->seeds);
    outcome->within =
        outcome->loss.mean <= exact->loss.high && outcome->accuracy.mean >= exact->accuracy.low; /* NaN: not */
    training->passed = training->passed && outcome->within;
  }
  return code;
}

static int check_exact(const struct verify_training *training, const struct verify_train_options *options,
                       struct error *err) {
  const struct verify_outcome *exact = training->outcomes;
  for (size_t i = 0; i < training->seeds; i++) {
    if (!isfinite(exact->runs[i].loss) || !isfinite(exact->training_loss[i])) {
      return error_set(err, ERROR_INPUT,
                       "the exact run of seed %llu diverged: its loss is no finite number, so there is nothing to "
                       "compare with; give a smaller --rate",
                       (unsigned long long)options->run.seed + i);
    }
  }
  return 0;
}

int verify_train(struct verify_training *training, const struct verify_train_options *options, struct error *err) {
  *training = (struct verify_training){.seeds = options->seeds, .passed = true};
  if (options->seeds < 1 || options->seeds > VERIFY_SEEDS_MAX || options->run.steps < 1 || !options->run.data ||
      options->bits_count > QUANTIZER_BITS_MAX) {
    return error_set(err, ERROR_USAGE, "training: give data, a step or more, and 1 to %d seeds", VERIFY_SEEDS_MAX);
  }
  int code = model_run_check(&options->run, 0, err);
  if (code == 0) {
    code = run_width(training, options, 0, err);
  }
  if (code == 0) {
    code = check_exact(training, options, err);
  }
  for (size_t i = 0; code == 0 && i < options->bits_count; i++) {
    code = run_width(training, options, options->bits[i], err);
  }
  return code;
}
