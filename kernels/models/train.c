/* The training loop, and the loss on the test part. */
#include "kernels/models/train.h"

#include "kernels/out_of_memory.h"
#include "kernels/philox.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STREAM_DROPOUT = 7 };

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int status_of(const struct tape *tape, struct error *err) {
  return tape->status < 0 ? error_set(err, tape->status, "%s", tape->error.message) : 0;
}

/* ---- a step ---------------------------------------------------------------------------------------------------- */

static uint64_t dropout_seed(uint64_t seed, size_t step) {
  const struct philox random = philox_at(step, STREAM_DROPOUT, seed);
  return (uint64_t)random.word[0] << 32 | random.word[1];
}

static int forward_backward(struct model *model, struct tape *tape, const struct batch *batch,
                            const struct train_hooks *hooks, float *loss, struct error *err) {
  int code = 0;
  struct value *result = model_loss(model, tape, batch, NULL);
  *loss = result && result->tensor->data ? *tensor_floats(result->tensor) : 0;
  if (result && hooks && hooks->forward && (code = hooks->forward(hooks->context, tape)) != 0) {
    return code;
  }
  tape_backward(tape, result);
  return status_of(tape, err);
}

static float rate_factor(const struct train_options *options, size_t step) {
  return step < options->warmup ? (float)step / (float)options->warmup : 1;
}

int train_once(struct model *model, struct optimizer *optimizer, const struct batch *batch,
               const struct train_options *options, size_t step, const struct train_hooks *hooks, float *loss,
               struct error *err) {
  struct tape tape;
  model_drop_gradients(model); /* as zero_grad does, before forward */
  tape_init(&tape, model->memory);
  tape.training = true;
  tape.fewbit = options->fewbit;
  tape.seed = dropout_seed(options->seed, step);
  int code = forward_backward(model, &tape, batch, hooks, loss, err);
  tape_fini(&tape);
  if (code == 0 && hooks && hooks->gradients) {
    code = hooks->gradients(hooks->context, model);
  }
  if (code == 0) {
    optimizer_step(optimizer, rate_factor(options, step));
  }
  return code;
}

/* ---- many ------------------------------------------------------------------------------------------------------ */

static int batch_make(struct batch *batch, const struct model *model, const struct train_options *options, size_t step,
                      struct error *err) {
  return options->data ? data_draw(batch, options->data, model, options->seed, step, err)
                       : batch_random(batch, model, options->seed + step, err);
}

/* A step with its batch, watch and meter. */
static int measured_step(struct model *model, struct optimizer *optimizer, const struct train_options *options,
                         const struct train_hooks *hooks, struct train_step *step, struct error *err) {
  struct batch batch;
  const uint64_t begin = now_ns();
  memory_restart_peaks(model->memory);
  int code = batch_make(&batch, model, options, step->step, err);
  if (code == 0) {
    code = train_once(model, optimizer, &batch, options, step->step, hooks, &step->loss, err);
    batch_fini(&batch);
  }
  step->ns = now_ns() - begin;
  step->peak = model->memory->peak;
  step->saved = model->memory->saved_peak;
  return code;
}

static int by_ns(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static int median_ns(struct train_result *result, struct error *err) {
  uint64_t *ns = malloc((result->steps + 1) * sizeof *ns);
  if (!ns) {
    return out_of_memory(err, "training");
  }
  for (size_t i = 0; i < result->steps; i++) {
    ns[i] = result->curve[i].ns;
  }
  qsort(ns, result->steps, sizeof *ns, by_ns);
  result->step_ns = result->steps ? ns[result->steps / 2] : 0;
  free(ns);
  return 0;
}

static int run_steps(struct model *model, struct optimizer *optimizer, const struct train_options *options,
                     const struct train_hooks *hooks, struct train_result *result, struct error *err) {
  for (size_t i = 0; i < options->steps; i++) {
    struct train_step *step = &result->curve[i];
    step->step = i + 1;
    int code = measured_step(model, optimizer, options, hooks, step, err);
    if (code != 0) {
      return code;
    }
    result->steps = i + 1;
    if (i == 0 || step->peak > result->meter.peak) {
      result->meter = *model->memory;
    }
    if (hooks && hooks->step && (code = hooks->step(hooks->context, step)) != 0) {
      return code;
    }
  }
  return 0;
}

int train_run(struct model *model, const struct train_options *options, const struct train_hooks *hooks,
              struct train_result *result, struct error *err) {
  struct optimizer optimizer;
  *result = (struct train_result){.curve = calloc(options->steps + 1, sizeof *result->curve)};
  if (!result->curve) {
    return out_of_memory(err, "training");
  }
  int code = optimizer_init(&optimizer, &options->optimizer, model, err);
  if (code == 0) {
    code = run_steps(model, &optimizer, options, hooks, result, err);
    optimizer_fini(&optimizer);
  }
  model_drop_gradients(model);
  return code == 0 ? median_ns(result, err) : code;
}

void train_result_fini(struct train_result *result) {
  free(result->curve);
  *result = (struct train_result){0};
}

/* ---- evaluation ------------------------------------------------------------------------------------------------ */

static size_t largest(const float *values, size_t count) {
  size_t best = 0;
  for (size_t i = 1; i < count; i++) {
    best = values[i] > values[best] ? i : best;
  }
  return best;
}

/* Adds up what was asked, and what was told right. */
static void count_right(const struct value *logits, const struct tensor *target, size_t *asked, size_t *right) {
  const size_t classes = logits->shape[logits->dims - 1], rows = value_count(logits) / classes;
  const int32_t *wanted = target->data;
  for (size_t i = 0; i < rows; i++) {
    if (wanted[i] >= 0) {
      *asked += 1;
      *right += largest(tensor_floats(logits->tensor) + i * classes, classes) == (size_t)wanted[i];
    }
  }
}

static int evaluate_batch(struct model *model, const struct batch *batch, struct train_evaluation *sum,
                          struct error *err) {
  struct tape tape;
  struct value *logits = NULL;
  size_t asked = 0, right = 0;
  tape_init(&tape, model->memory);
  tape.inference = true;
  const struct value *loss = model_loss(model, &tape, batch, &logits);
  if (loss && logits && logits->tensor->data) {
    count_right(logits, batch->target, &asked, &right);
    sum->loss += asked ? (double)asked * (double)*tensor_floats(loss->tensor) : 0;
    sum->accuracy += (double)right;
    sum->count += asked;
  }
  int code = status_of(&tape, err);
  tape_fini(&tape);
  return code;
}

int train_evaluate(struct model *model, const struct data *data, size_t batches, struct train_evaluation *evaluation,
                   struct error *err) {
  int code = 0;
  *evaluation = (struct train_evaluation){0};
  for (size_t i = 0; code == 0 && (batches == 0 || i < batches); i++) {
    struct batch batch;
    code = data_test(&batch, data, model, i, err);
    if (code < 0 || batch.size == 0) {
      break;
    }
    code = evaluate_batch(model, &batch, evaluation, err);
    batch_fini(&batch);
  }
  if (evaluation->count) {
    evaluation->loss /= (double)evaluation->count;
    evaluation->accuracy /= (double)evaluation->count;
  }
  return code;
}
