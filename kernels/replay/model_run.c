/* A model's life from its weights to the end of its training. */
#include "kernels/replay/model_run.h"

#include "kernels/models/choice.h"
#include "kernels/replay/available.h"

#include <stdio.h>

struct listener {
  const struct model_run_options *options;
  struct model_run *run;
  struct error error;
};

/* The first forward pass tells what all save. */
static int on_forward(void *context, const struct tape *tape) {
  struct listener *listener = context;
  return listener->run->saved.rows ? 0 : saved_rows_collect(&listener->run->saved, tape, &listener->error);
}

static int on_step(void *context, const struct train_step *step) {
  struct listener *listener = context;
  if (listener->options->progress) {
    listener->options->progress(listener->options->context, step);
  }
  return 0;
}

size_t model_run_parameters(const struct model *model) {
  size_t count = 0;
  for (size_t i = 0; i < model->parameters_count; i++) {
    count += value_count(&model->parameters[i].value);
  }
  return count;
}

static int train(const struct model_run_options *options, struct model *model, const struct fewbit_choice *choice,
                 struct model_run *run, struct error *err) {
  struct listener listener = {.options = options, .run = run};
  const struct train_hooks hooks = {.context = &listener, .forward = on_forward, .step = on_step};
  const struct train_options train_options = {.optimizer = options->optimizer,
                                              .steps = options->steps,
                                              .warmup = options->warmup,
                                              .seed = options->seed,
                                              .data = model->memory->dry ? NULL : options->data,
                                              .fewbit = *choice};
  int code = train_run(model, &train_options, &hooks, &run->train, err);
  if (code < 0 && listener.error.message[0] && err) {
    *err = listener.error;
  }
  run->saved_bytes = run->train.meter.saved_peak;
  return code;
}

int model_run(const struct model_run_options *options, unsigned bits, bool dry, struct model_run *run,
              struct error *err) {
  struct fewbit_choice choice = {0};
  struct memory memory;
  struct model *model = NULL;
  *run = (struct model_run){.bits = bits};
  memory_init(&memory, dry);
  int code = choice_open_model(&choice, bits, (int)options->method, &options->model, err);
  if (code == 0) {
    code = model_new(&model, &options->model, &memory, options->seed, err);
  }
  if (code == 0) {
    run->model = model->options;
    run->parameters = model_run_parameters(model);
    code = train(options, model, &choice, run, err);
  }
  model_free(model);
  choice_close(&choice);
  return code;
}

void model_run_fini(struct model_run *run) {
  train_result_fini(&run->train);
  saved_rows_fini(&run->saved);
}

int model_run_check(const struct model_run_options *options, size_t beside, struct error *err) {
  struct model_run_options once = *options;
  struct model_run run;
  once.steps = 1;
  once.progress = NULL;
  int code = model_run(&once, 0, true, &run, err);
  if (code == 0) {
    char what[2 * MODEL_NAME_SIZE + 32];
    snprintf(what, sizeof what, "a step of %s with batch %zu", options->model.name, options->model.batch);
    code = available_check(run.train.meter.peak + beside, what, err);
  }
  model_run_fini(&run);
  return code;
}
