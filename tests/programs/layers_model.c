/* A built-in model for a few steps of training on one batch, everything written to files.
 *
 *     layers_model MODEL FOLDER KEY=VALUE...
 *
 * KEY: the model's own, and seed, steps (1), optimizer (sgd or adamw), rate, decay, bits. Prints a line a parameter, in
 * order: "parameter NAME DECAYS SHAPE...", and what was held for backward. Writes x.raw, target.raw, loss.raw (a number a
 * step), logits.raw (of the first step), N.weight.raw and N.S.gradient.raw, N.S.stepped.raw: parameter number N before
 * training, its gradient in step S (from 1) and what it is after that step. */
#include "kernels/models/choice.h"
#include "kernels/models/optimizer.h"
#include "kernels/quantizer.h"
#include "tests/programs/layers_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 16 };

struct arguments {
  const char *folder;
  struct model_options model;
  struct optimizer_options optimizer;
  uint64_t seed;
  size_t steps;
  unsigned bits;
};

static void must(int code, const struct error *err) {
  if (code < 0) {
    layers_fail("%s", err->message);
  }
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

/* Of the program itself; false: the model's, then. */
static bool set_own(struct arguments *arguments, const char *key, const char *value) {
  struct error err;
  if (strcmp(key, "seed") == 0) {
    arguments->seed = strtoull(value, NULL, 10);
  } else if (strcmp(key, "steps") == 0) {
    arguments->steps = strtoull(value, NULL, 10);
  } else if (strcmp(key, "bits") == 0) {
    arguments->bits = (unsigned)strtoul(value, NULL, 10);
  } else if (strcmp(key, "rate") == 0) {
    arguments->optimizer.rate = strtof(value, NULL);
  } else if (strcmp(key, "decay") == 0) {
    arguments->optimizer.decay = strtof(value, NULL);
  } else if (strcmp(key, "optimizer") == 0) {
    enum optimizer_kind kind;
    must(optimizer_find(&kind, value, &err), &err);
    arguments->optimizer = optimizer_defaults(kind);
  } else {
    return false;
  }
  return true;
}

static void set(struct arguments *arguments, const char *text) {
  char key[64];
  struct error err;
  const size_t length = strcspn(text, "=");
  if (text[length] != '=' || length >= sizeof key) {
    layers_fail("%s: no KEY=VALUE", text);
  }
  snprintf(key, sizeof key, "%.*s", (int)length, text);
  if (!set_own(arguments, key, text + length + 1)) {
    must(model_options_set(&arguments->model, key, text + length + 1, &err), &err);
  }
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static void write_tensor(const char *folder, const char *name, const struct tensor *tensor) {
  layers_write(folder, name, tensor->data, tensor->bytes);
}

static void list_parameters(const struct model *model, const char *folder) {
  char name[64];
  for (size_t i = 0; i < model->parameters_count; i++) {
    const struct model_parameter *parameter = &model->parameters[i];
    printf("parameter %s %d", parameter->name, parameter->decay);
    for (unsigned k = 0; k < parameter->value.dims; k++) {
      printf(" %zu", parameter->value.shape[k]);
    }
    putchar('\n');
    snprintf(name, sizeof name, "%zu.weight", i);
    write_tensor(folder, name, parameter->value.tensor);
  }
}

static void write_parameters(const struct model *model, const char *folder, size_t step, const char *what) {
  char name[64];
  const bool gradients = strcmp(what, "gradient") == 0;
  for (size_t i = 0; i < model->parameters_count; i++) {
    const struct value *value = &model->parameters[i].value;
    const struct tensor *tensor = gradients ? value->gradient : value->tensor;
    snprintf(name, sizeof name, "%zu.%zu.%s", i, step, what);
    if (tensor) {
      write_tensor(folder, name, tensor);
    }
  }
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

struct run {
  const struct arguments *arguments;
  struct memory memory;
  struct model *model;
  struct batch batch;
  struct optimizer optimizer;
  struct fewbit_choice choice;
  float losses[STEPS_MAX];
};

static void step(struct run *run, size_t number) {
  struct tape tape;
  struct value *logits = NULL;
  tape_init(&tape, &run->memory);
  tape.training = true;
  tape.fewbit = run->choice;
  tape.seed = run->arguments->seed;
  struct value *loss = model_loss(run->model, &tape, &run->batch, number == 1 ? &logits : NULL);
  must(tape.status, &tape.error);
  run->losses[number - 1] = *tensor_floats(loss->tensor);
  if (logits) {
    write_tensor(run->arguments->folder, "logits", logits->tensor);
    printf("saved %zu\n", run->memory.saved);
  }
  must(tape_backward(&tape, loss), &tape.error);
  tape_fini(&tape);
  write_parameters(run->model, run->arguments->folder, number, "gradient");
  optimizer_step(&run->optimizer, 1);
  write_parameters(run->model, run->arguments->folder, number, "stepped");
  model_drop_gradients(run->model);
}

static void train(const struct arguments *arguments) {
  struct run run = {.arguments = arguments};
  struct error err;
  memory_init(&run.memory, false);
  must(model_new(&run.model, &arguments->model, &run.memory, arguments->seed, &err), &err);
  must(batch_random(&run.batch, run.model, arguments->seed, &err), &err);
  must(optimizer_init(&run.optimizer, &arguments->optimizer, run.model, &err), &err);
  must(choice_open_model(&run.choice, arguments->bits, QUANTIZER_VALUE, &run.model->options, &err), &err);
  list_parameters(run.model, arguments->folder);
  write_tensor(arguments->folder, "x", run.batch.x);
  write_tensor(arguments->folder, "target", run.batch.target);
  for (size_t i = 1; i <= arguments->steps; i++) {
    step(&run, i);
  }
  layers_write(arguments->folder, "loss", run.losses, arguments->steps * sizeof *run.losses);

  choice_close(&run.choice);
  optimizer_fini(&run.optimizer);
  batch_fini(&run.batch);
  model_free(run.model);
  if (run.memory.live || run.memory.saved) {
    layers_fail("%zu bytes are left, %zu of them saved", run.memory.live, run.memory.saved);
  }
}

int main(int argc, char **argv) {
  struct arguments arguments = {.seed = 1, .steps = 1, .optimizer = optimizer_defaults(OPTIMIZER_SGD)};
  struct error err;
  if (argc < 3) {
    layers_fail("usage: layers_model MODEL FOLDER KEY=VALUE...");
  }
  must(model_options_find(&arguments.model, argv[1], &err), &err);
  arguments.folder = argv[2];
  for (int i = 3; i < argc; i++) {
    set(&arguments, argv[i]);
  }
  if (arguments.steps < 1 || arguments.steps > STEPS_MAX) {
    layers_fail("steps: 1 to %d", STEPS_MAX);
  }
  train(&arguments);
  return 0;
}
