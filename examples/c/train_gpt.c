/* Trains a small GPT on a text, character by character, with actscope's own layers: exact, or with few-bit gradients.
 *
 *   train_gpt [--steps N] [--bits B] [--layers N] [--width N] [--heads N] [--batch N] [--sequence N] [--seed N]
 *             [--lr RATE] [--sample N] [TEXT]
 *
 * TEXT is a file; without one, the licence that every Debian machine has. --bits 0 (the default) keeps what autograd
 * would keep for backward; --bits 1 to 8 keeps codes of so many bits in place of what GELU needs. Losses are a function
 * of the options alone, whatever the number of threads. */
#include "kernels/models/choice.h"
#include "kernels/models/data.h"
#include "kernels/models/optimizer.h"
#include "kernels/models/train.h"
#include "kernels/philox.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct options {
  size_t steps, layers, width, heads, batch, sequence, sample;
  unsigned bits;
  uint64_t seed;
  float rate;
  const char *text;
};

/* All that lives as long as the program trains. */
struct training {
  struct memory memory;
  struct data *data;
  struct model *model;
  struct optimizer optimizer;
  struct fewbit_choice fewbit;
};

static const double mebibyte = 1 << 20;

static double now_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- options --------------------------------------------------------------------------------------------------- */

static const char usage[] = "Usage: train_gpt [--steps N] [--bits B] [--layers N] [--width N] [--heads N] [--batch N]\n"
                            "                 [--sequence N] [--seed N] [--lr RATE] [--sample N] [TEXT]\n";

static void fail_usage(const char *what, const char *why) {
  fprintf(stderr, "train_gpt: %s: %s\n%s", what, why, usage);
  exit(2);
}

static size_t parse_number(const char *name, const char *text, size_t least, size_t most) {
  char *end = NULL, why[80];
  errno = 0;
  const unsigned long long number = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
  if (!end || *end || errno || number < least || number > most) {
    snprintf(why, sizeof why, "a number from %zu to %zu is needed", least, most);
    fail_usage(name, why);
  }
  return (size_t)number;
}

static float parse_rate(const char *text) {
  char *end = NULL;
  const float rate = text ? strtof(text, &end) : 0;
  if (!end || end == text || *end || !(rate > 0 && rate < 10)) {
    fail_usage("--lr", "a number above 0 and below 10 is needed");
  }
  return rate;
}

/* Sets the option if it is one that takes a number. */
static int parse_size(struct options *options, const char *name, const char *value) {
  const struct {
    const char *name;
    size_t *field, least, most;
  } sizes[] = {{"--steps", &options->steps, 1, 10000000}, {"--layers", &options->layers, 1, 1000},
               {"--width", &options->width, 1, 65536},    {"--heads", &options->heads, 1, 1024},
               {"--batch", &options->batch, 1, 65536},    {"--sequence", &options->sequence, 1, 65536},
               {"--sample", &options->sample, 0, 1000000}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    if (strcmp(name, sizes[i].name) == 0) {
      *sizes[i].field = parse_number(name, value, sizes[i].least, sizes[i].most);
      return 1;
    }
  }
  return 0;
}

static struct options parse_options(char **argv) {
  struct options options = {.steps = 500,
                            .layers = 4,
                            .width = 128,
                            .heads = 4,
                            .batch = 8,
                            .sequence = 128,
                            .sample = 160,
                            .seed = 1,
                            .rate = 1.5e-3F};
  for (argv++; *argv; argv++) {
    if (strcmp(*argv, "--help") == 0 || strcmp(*argv, "-h") == 0) {
      fputs(usage, stdout);
      exit(0);
    }
    if (strncmp(*argv, "--", 2) != 0 && !options.text) {
      options.text = *argv;
      continue;
    }
    const char *name = argv[0], *value = argv[1];
    if (strcmp(name, "--bits") == 0) {
      options.bits = (unsigned)parse_number(name, value, 0, 8);
    } else if (strcmp(name, "--seed") == 0) {
      options.seed = parse_number(name, value, 0, SIZE_MAX);
    } else if (strcmp(name, "--lr") == 0) {
      options.rate = parse_rate(value);
    } else if (!parse_size(&options, name, value)) {
      fail_usage(name, "no such option");
    }
    argv++;
  }
  return options;
}

/* ---- one step -------------------------------------------------------------------------------------------------- */

/* Linear warm-up over a tenth of the steps, then half a cosine down to a tenth of the rate. */
static float rate_factor(size_t step, size_t steps) {
  const float warmup = 1 + (float)steps / 10, done = (float)step / (float)steps;
  if ((float)step < warmup) {
    return (float)step / warmup;
  }
  return 0.1F + 0.45F * (1 + cosf((float)M_PI * done));
}

/* Forward, backward, update: the loss before the update. */
static int train_step(struct training *t, const struct options *options, size_t step, float *loss, struct error *err) {
  struct batch batch;
  struct tape tape;
  int code = data_draw(&batch, t->data, t->model, options->seed, step, err);
  if (code < 0) {
    return code;
  }
  model_drop_gradients(t->model);
  tape_init(&tape, &t->memory);
  tape.training = true;
  tape.fewbit = t->fewbit;

  struct value *result = model_loss(t->model, &tape, &batch, NULL);
  *loss = result ? *tensor_floats(result->tensor) : 0;
  code = tape_backward(&tape, result);
  if (code < 0) {
    error_set(err, code, "%s", tape.error.message);
  }
  tape_fini(&tape);
  batch_fini(&batch);
  if (code == 0) {
    optimizer_step(&t->optimizer, rate_factor(step, options->steps));
  }
  return code;
}

/* A line now and then: the loss, and the mean time of a step since the last line. */
struct progress {
  size_t step;
  double seconds;
};

static void print_progress(struct progress *last, size_t step, float loss) {
  const double now = now_seconds();
  printf("step %5zu  loss %.4f  %7.1f ms a step\n", step, (double)loss,
         1e3 * (now - last->seconds) / (double)(step - last->step));
  fflush(stdout);
  *last = (struct progress){step, now};
}

static int train(struct training *t, const struct options *options, struct error *err) {
  const size_t every = options->steps < 20 ? 1 : options->steps / 20;
  struct progress progress = {0, now_seconds()};
  size_t peak = 0, saved = 0;
  float loss = 0;
  for (size_t step = 1; step <= options->steps; step++) {
    memory_restart_peaks(&t->memory);
    int code = train_step(t, options, step, &loss, err);
    if (code < 0) {
      return code;
    }
    peak = t->memory.peak > peak ? t->memory.peak : peak;
    saved = t->memory.saved_peak > saved ? t->memory.saved_peak : saved;
    if (step == 1 || step % every == 0 || step == options->steps) {
      print_progress(&progress, step, loss);
    }
  }
  printf("final loss %.4f\npeak %zu bytes (%.1f MiB), of which saved for backward %zu bytes (%.1f MiB)\n", (double)loss,
         peak, (double)peak / mebibyte, saved, (double)saved / mebibyte);
  return 0;
}

/* ---- what it has learnt ---------------------------------------------------------------------------------------- */

static void print_test_loss(struct training *t) {
  struct train_evaluation test;
  if (train_evaluate(t->model, t->data, 0, &test, NULL) == 0) {
    printf("test loss %.4f, %.1f %% of %zu characters right\n", test.loss, 100 * test.accuracy, test.count);
  }
}

/* The number that comes next, drawn with the probabilities that the logits stand for; chance: from 0 to below 1. */
static int32_t draw_next(const float *logits, size_t count, double chance) {
  double sum = 0, top = (double)logits[0];
  for (size_t i = 1; i < count; i++) {
    top = fmax(top, (double)logits[i]);
  }
  for (size_t i = 0; i < count; i++) {
    sum += exp((double)logits[i] - top);
  }
  double left = sum * chance;
  for (size_t i = 0; i + 1 < count; i++) {
    left -= exp((double)logits[i] - top);
    if (left < 0) {
      return (int32_t)i;
    }
  }
  return (int32_t)count - 1;
}

/* Characters of the model's own, after the first half sequence of the test part. */
static int print_sample(struct training *t, const struct options *options, struct error *err) {
  const size_t sequence = options->sequence, classes = t->data->classes;
  size_t known = sequence / 2 + 1;
  struct batch batch;
  int code = data_test(&batch, t->data, t->model, 0, err);
  if (code < 0) {
    return code;
  }
  int32_t *x = batch.x->data;
  batch.size = 1;
  printf("\n...");
  for (size_t i = 0; i < options->sample && code == 0; i++) {
    struct tape tape;
    struct value *logits = NULL;
    tape_init(&tape, &t->memory);
    tape.inference = true;
    if (model_loss(t->model, &tape, &batch, &logits)) {
      const double chance = philox_at(i, 0, options->seed).word[0] * 0x1p-32;
      const int32_t next = draw_next(tensor_floats(logits->tensor) + (known - 1) * classes, classes, chance);
      putchar(t->data->characters[next]);
      if (known == sequence) {
        memmove(x, x + 1, (sequence - 1) * sizeof *x);
        known--;
      }
      x[known++] = next;
    }
    code = tape.status < 0 ? error_set(err, tape.status, "%s", tape.error.message) : 0;
    tape_fini(&tape);
  }
  printf("\n");
  batch_fini(&batch);
  return code;
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static int training_init(struct training *t, const struct options *options, struct error *err) {
  struct model_options model;
  struct optimizer_options optimizer = optimizer_defaults(OPTIMIZER_ADAMW);
  optimizer.rate = options->rate;
  optimizer.decay = 0.1F;
  optimizer.beta2 = 0.99F; /* few steps: a shorter memory */
  memory_init(&t->memory, false);
  int code = model_options_find(&model, "gpt", err);
  model.layers = options->layers;
  model.width = options->width;
  model.heads = options->heads;
  model.batch = options->batch;
  model.sequence = options->sequence;
  if (code < 0 || (code = data_open(&t->data, DATA_TEXT, options->text, err)) < 0 ||
      (code = data_fit(t->data, &model, err)) < 0 ||
      (code = choice_open_model(&t->fewbit, options->bits, FEWBIT_VALUE, &model, err)) < 0 ||
      (code = model_new(&t->model, &model, &t->memory, options->seed, err)) < 0) {
    return code;
  }
  return optimizer_init(&t->optimizer, &optimizer, t->model, err);
}

static void training_fini(struct training *t) {
  if (t->optimizer.model) {
    optimizer_fini(&t->optimizer);
  }
  model_free(t->model);
  choice_close(&t->fewbit);
  data_close(t->data);
}

static void print_model(const struct training *t, const struct options *options) {
  size_t count = 0;
  for (size_t i = 0; i < t->model->parameters_count; i++) {
    count += value_count(&t->model->parameters[i].value);
  }
  printf("%zu parameters; %zu characters of %s, %zu different ones; gradients of GELU ", count,
         t->data->train + t->data->test, t->data->source, t->data->classes);
  if (options->bits) {
    printf("from %u bits\n", options->bits);
  } else {
    printf("exact\n");
  }
}

int main(int argc, char **argv) {
  (void)argc;
  const struct options options = parse_options(argv);
  struct training training = {0};
  struct error error = {""};
  int code = training_init(&training, &options, &error);
  if (code == 0) {
    print_model(&training, &options);
    code = train(&training, &options, &error);
  }
  if (code == 0) {
    print_test_loss(&training);
    code = options.sample ? print_sample(&training, &options, &error) : 0;
  }
  training_fini(&training);
  if (code < 0) {
    fprintf(stderr, "train_gpt: %s\n", error.message);
  }
  return code < 0 ? error_exit_status(code) : 0;
}
