/* Two backward passes from the same weights and batch with the same dropout, exact and few-bit, compared parameter by
 * parameter; then fresh models trained both ways for the curves and the meter's figures. */
#include "kernels/models/choice.h"
#include "kernels/replay/verify_rows.h"

#include <stdlib.h>
#include <string.h>

/* Gradients by parameter, outside the meter; NULL where there is none. */
struct gradients {
  float **by_parameter;
  size_t count;
};

struct check {
  const struct verify_model *options;
  struct verify_result *result;
  struct memory memory;
  struct model *model;
  struct fewbit_choice choices[QUANTIZER_BITS_MAX];
};

/* ---- gradients --------------------------------------------------------------------------------------------------- */

static void gradients_fini(struct gradients *gradients) {
  for (size_t i = 0; gradients->by_parameter && i < gradients->count; i++) {
    free(gradients->by_parameter[i]);
  }
  free(gradients->by_parameter);
}

static int gradients_copy(struct gradients *gradients, const struct model *model, struct error *err) {
  *gradients = (struct gradients){calloc(model->parameters_count + 1, sizeof(float *)), model->parameters_count};
  bool complete = gradients->by_parameter != NULL;
  for (size_t i = 0; complete && i < gradients->count; i++) {
    const struct tensor *gradient = model->parameters[i].value.gradient;
    if (gradient) {
      float *copy = gradients->by_parameter[i] = malloc(gradient->bytes + 1);
      complete = copy != NULL;
      if (complete) {
        memcpy(copy, gradient->data, gradient->bytes);
      }
    }
  }
  return complete ? 0 : error_set(err, ERROR_MEMORY, "verify: out of memory for a copy of the gradients");
}

/* Leaves the batch's gradients in the model's parameters. */
static int backward(struct check *check, const struct batch *batch, const struct fewbit_choice *choice,
                    struct error *err) {
  struct tape tape;
  model_drop_gradients(check->model);
  tape_init(&tape, &check->memory);
  tape.training = true;
  tape.seed = check->options->run.seed;
  if (choice) {
    tape.fewbit = *choice;
  }
  struct value *loss = model_loss(check->model, &tape, batch, NULL);
  int code = loss ? tape_backward(&tape, loss) : tape.status;
  if (code < 0 && err) {
    *err = tape.error;
  }
  tape_fini(&tape);
  return code;
}

static int compare(const struct check *check, const struct gradients *exact, struct verify_rows *rows,
                   struct error *err) {
  struct gradient_error whole = {0};
  int code = verify_rows_init(rows, exact->count, err);
  for (size_t i = 0; code == 0 && i < exact->count; i++) {
    const struct model_parameter *parameter = &check->model->parameters[i];
    struct gradient_error error = {0};
    if (!exact->by_parameter[i] || !parameter->value.gradient) {
      continue; /* not used by this loss */
    }
    gradient_error_add(&error, exact->by_parameter[i], tensor_floats(parameter->value.gradient),
                       value_count(&parameter->value));
    const struct gradient_figures figures = gradient_error_figures(&error);
    verify_rows_add(rows, parameter->name, &figures);
    gradient_error_merge(&whole, &error, 1);
  }
  if (code == 0) {
    const struct gradient_figures figures = gradient_error_figures(&whole);
    verify_rows_finish(rows, &figures);
  }
  return code;
}

static int take_batch(struct check *check, struct batch *batch, size_t step, struct error *err) {
  const struct model_run_options *run = &check->options->run;
  return run->data ? data_draw(batch, run->data, check->model, run->seed, step, err)
                   : batch_random(batch, check->model, run->seed + step, err);
}

/* On the batch that step number `step` would have, for every width. */
static int compare_widths(struct check *check, size_t step, bool trained, struct error *err) {
  struct gradients exact = {0};
  struct batch batch = {0};
  int code = take_batch(check, &batch, step, err);
  if (code == 0) {
    code = backward(check, &batch, NULL, err);
  }
  if (code == 0) {
    code = gradients_copy(&exact, check->model, err);
  }
  for (size_t i = 0; code == 0 && i < check->result->widths_count; i++) {
    struct verify_width *width = &check->result->widths[i];
    code = backward(check, &batch, &check->choices[i], err);
    if (code == 0) {
      code = compare(check, &exact, trained ? &width->trained : &width->start, err);
    }
  }
  model_drop_gradients(check->model);
  gradients_fini(&exact);
  batch_fini(&batch);
  return code;
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

static int take_losses(float **losses, const struct train_result *train, struct error *err) {
  *losses = calloc(train->steps + 1, sizeof **losses);
  if (!*losses) {
    return error_set(err, ERROR_MEMORY, "verify: out of memory");
  }
  for (size_t i = 0; i < train->steps; i++) {
    (*losses)[i] = train->curve[i].loss;
  }
  return 0;
}

/* One step at least, so that there is something to meter. */
static struct model_run_options run_options(const struct check *check, bool dry) {
  struct model_run_options options = check->options->run;
  options.steps = dry || options.steps == 0 ? 1 : options.steps;
  if (dry) {
    options.progress = NULL;
  }
  return options;
}

static int on_step(void *context, const struct train_step *step) {
  const struct model_run_options *run = &((const struct check *)context)->options->run;
  if (run->progress) {
    run->progress(run->context, step);
  }
  return 0;
}

static int meter(struct check *check, unsigned bits, bool dry, struct verify_memory *memory, float **losses,
                 struct error *err) {
  const struct model_run_options options = run_options(check, dry);
  struct model_run run;
  int code = model_run(&options, bits, dry, &run, err);
  *memory = (struct verify_memory){run.train.meter.peak, run.saved_bytes};
  if (code == 0 && losses) {
    code = take_losses(losses, &run.train, err);
  }
  model_run_fini(&run);
  return code;
}

static int meter_widths(struct check *check, struct error *err) {
  struct verify_result *result = check->result;
  int code = 0;
  for (size_t i = 0; code == 0 && i < result->widths_count; i++) {
    struct verify_width *width = &result->widths[i];
    code = meter(check, width->bits, false, &width->measured, &width->losses, err);
    if (code == 0) {
      code = meter(check, width->bits, true, &width->projected, NULL, err);
    }
  }
  result->metered = true;
  return code;
}

/* The exact way, from where the model stands: its curve and meter are the result's. */
static int train_exact(struct check *check, struct error *err) {
  const struct model_run_options run = run_options(check, false);
  struct verify_result *result = check->result;
  const struct train_options options = {
      .optimizer = run.optimizer, .steps = run.steps, .warmup = run.warmup, .seed = run.seed, .data = run.data};
  const struct train_hooks hooks = {.context = check, .step = on_step};
  struct train_result train;
  int code = train_run(check->model, &options, &hooks, &train, err);
  if (code == 0) {
    result->exact = (struct verify_memory){train.meter.peak, train.meter.saved_peak};
    result->losses_count = train.steps;
    code = take_losses(&result->losses, &train, err);
  }
  train_result_fini(&train);
  return code;
}

/* ---- the check --------------------------------------------------------------------------------------------------- */

static int open_widths(struct check *check, struct error *err) {
  const struct verify_model *options = check->options;
  int code = options->bits_count >= 1 && options->bits_count <= QUANTIZER_BITS_MAX
                 ? 0
                 : error_set(err, ERROR_USAGE, "verify: give 1 to %d widths", QUANTIZER_BITS_MAX);
  for (size_t i = 0; code == 0 && i < options->bits_count; i++) {
    check->result->widths[check->result->widths_count++].bits = options->bits[i];
    code = choice_open_model(&check->choices[i], options->bits[i], (int)options->run.method, &options->run.model, err);
  }
  return code;
}

static int check_gradients(struct check *check, struct error *err) {
  const struct model_run_options *run = &check->options->run;
  memory_init(&check->memory, false);
  int code = model_new(&check->model, &run->model, &check->memory, run->seed, err);
  if (code == 0) {
    code = compare_widths(check, 1, false, err);
  }
  if (code == 0) {
    code = train_exact(check, err);
  }
  if (code == 0 && run->steps) {
    code = compare_widths(check, run->steps + 1, true, err);
  }
  model_free(check->model);
  check->model = NULL;
  return code;
}

/* Beside a step in the meter, a copy of the gradients. */
static size_t copies_bytes(const struct model_run_options *options) {
  struct model_run_options once = *options;
  struct model_run run;
  once.steps = 1;
  once.progress = NULL;
  const int code = model_run(&once, 0, true, &run, NULL);
  const size_t bytes = code == 0 ? run.parameters * sizeof(float) : 0;
  model_run_fini(&run);
  return bytes;
}

int verify_model(struct verify_result *result, const struct verify_model *options, struct error *err) {
  struct check check = {.options = options, .result = result};
  *result = (struct verify_result){.steps = options->run.steps};
  int code = open_widths(&check, err);
  if (code == 0) {
    code = model_run_check(&options->run, copies_bytes(&options->run), err);
  }
  if (code == 0) {
    code = check_gradients(&check, err);
  }
  if (code == 0) {
    code = meter_widths(&check, err);
  }
  for (size_t i = 0; i < QUANTIZER_BITS_MAX; i++) {
    choice_close(&check.choices[i]);
  }
  verify_judge(result, &options->limits);
  return code;
}
