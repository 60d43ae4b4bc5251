/* Steps of training a gpt by kernels/layers and by the plain loops of plain_gpt.c, from the same weights on the same
 * batch. Asked line by line, so that a caller can take turns with others: "layers N", "fewbit N", "plain N" or "export
 * FOLDER" on standard input; the answer is a line of JSON.
 *
 *     step_bench [KEY=VALUE...]      keys of the model gpt
 *
 * Batches do not change: what is timed is the step, not data. "export" writes the weights and the batch as they were in
 * the beginning: parameters in order, then tokens and targets (int32), little-endian, into FOLDER/weights. */
#include "bench/plain_gpt.h"

#include "kernels/models/choice.h"
#include "kernels/models/train.h"
#include "kernels/quantizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FEWBIT_BITS = 3 };

/* One of our models in training. */
struct trainee {
  struct memory memory;
  struct model *model;
  struct optimizer optimizer;
  struct train_options options;
  size_t steps;
};

struct bench {
  struct model_options model;
  struct optimizer_options adamw;
  struct trainee exact, fewbit;
  struct batch batch;
  struct plain_gpt *plain;
};

static void must(int code, const struct error *err) {
  if (code < 0) {
    fprintf(stderr, "step_bench: %s\n", err->message);
    exit(1);
  }
}

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "step_bench: %s\n", what);
  exit(1);
}

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static void trainee_init(struct trainee *trainee, const struct bench *bench, unsigned bits) {
  struct error err;
  memory_init(&trainee->memory, false);
  must(model_new(&trainee->model, &bench->model, &trainee->memory, 1, &err), &err);
  must(optimizer_init(&trainee->optimizer, &bench->adamw, trainee->model, &err), &err);
  trainee->options = (struct train_options){.optimizer = bench->adamw, .seed = 1};
  must(choice_open_model(&trainee->options.fewbit, bits, QUANTIZER_VALUE, &trainee->model->options, &err), &err);
}

static void trainee_fini(struct trainee *trainee) {
  choice_close(&trainee->options.fewbit);
  optimizer_fini(&trainee->optimizer);
  model_free(trainee->model);
}

static void plain_init(struct bench *bench) {
  const struct model_options *o = &bench->exact.model->options;
  const struct plain_gpt_sizes sizes = {.layers = o->layers,
                                        .width = o->width,
                                        .heads = o->heads,
                                        .hidden = o->hidden,
                                        .vocabulary = o->vocabulary,
                                        .sequence = o->sequence,
                                        .batch = o->batch};
  bench->plain = plain_gpt_new(&sizes);
  if (!bench->plain) {
    fail("out of memory");
  }
  for (size_t i = 0; i < bench->exact.model->parameters_count; i++) {
    const struct tensor *tensor = bench->exact.model->parameters[i].value.tensor;
    size_t count;
    float *weights = plain_gpt_parameter(bench->plain, i, &count);
    if (count * sizeof(float) != tensor->bytes) {
      fail("the models' parameters are not the same");
    }
    memcpy(weights, tensor->data, tensor->bytes);
  }
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static float step_layers(struct bench *bench, struct trainee *trainee) {
  struct error err;
  float loss;
  must(train_once(trainee->model, &trainee->optimizer, &bench->batch, &trainee->options, ++trainee->steps, NULL, &loss,
                  &err),
       &err);
  return loss;
}

static float step_plain(struct bench *bench) {
  const struct optimizer_options *o = &bench->adamw;
  const struct plain_gpt_adamw adamw = {o->rate, o->decay, o->beta1, o->beta2, o->epsilon};
  return plain_gpt_step(bench->plain, &adamw, bench->batch.x->data, bench->batch.target->data);
}

static bool run_steps(struct bench *bench, const char *kind, size_t steps) {
  float first = 0, last = 0;
  const double begin = now_ns();
  for (size_t i = 0; i < steps; i++) {
    if (strcmp(kind, "plain") == 0) {
      last = step_plain(bench);
    } else if (strcmp(kind, "layers") == 0) {
      last = step_layers(bench, &bench->exact);
    } else if (strcmp(kind, "fewbit") == 0) {
      last = step_layers(bench, &bench->fewbit);
    } else {
      return false;
    }
    first = i ? first : last;
  }
  printf("{\"ns\": %.0f, \"first_loss\": %.9g, \"last_loss\": %.9g}\n", (now_ns() - begin) / (double)steps,
         (double)first, (double)last);
  return true;
}

static void write_tensor(FILE *file, const struct tensor *tensor) {
  if (fwrite(tensor->data, 1, tensor->bytes, file) != tensor->bytes) {
    fail("cannot write weights");
  }
}

static void export_start(const struct bench *bench, const char *folder) {
  char path[4096];
  snprintf(path, sizeof path, "%s/weights", folder);
  FILE *file = fopen(path, "wbe");
  if (!file) {
    fail("cannot make the file of weights");
  }
  for (size_t i = 0; i < bench->exact.model->parameters_count; i++) {
    write_tensor(file, bench->exact.model->parameters[i].value.tensor);
  }
  write_tensor(file, bench->batch.x);
  write_tensor(file, bench->batch.target);
  if (fclose(file) != 0) {
    fail("cannot write weights");
  }
  const struct model_options *o = &bench->exact.model->options;
  printf("{\"layers\": %zu, \"width\": %zu, \"heads\": %zu, \"hidden\": %zu, \"vocabulary\": %zu, \"sequence\": %zu, "
         "\"batch\": %zu, \"rate\": %.9g, \"decay\": %.9g}\n",
         o->layers, o->width, o->heads, o->hidden, o->vocabulary, o->sequence, o->batch, (double)bench->adamw.rate,
         (double)bench->adamw.decay);
}

static void answer(struct bench *bench, char *line) {
  line[strcspn(line, "\n")] = '\0';
  char *space = strchr(line, ' ');
  if (!space) {
    fail("a line must be KIND N or export FOLDER");
  }
  *space = '\0';
  if (strcmp(line, "export") == 0) {
    export_start(bench, space + 1);
  } else if (!run_steps(bench, line, strtoull(space + 1, NULL, 10))) {
    fail("the kinds of steps are layers, fewbit and plain");
  }
  (void)fflush(stdout);
}

static void set(struct model_options *options, const char *text) {
  struct error err;
  char key[64];
  const char *equals = strchr(text, '=');
  if (!equals || (size_t)(equals - text) >= sizeof key) {
    fail("arguments are KEY=VALUE");
  }
  snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
  must(model_options_set(options, key, equals + 1, &err), &err);
}

int main(int argc, char **argv) {
  struct bench bench = {.adamw = optimizer_defaults(OPTIMIZER_ADAMW)};
  struct error err;
  char line[4096];
  must(model_options_find(&bench.model, "gpt", &err), &err);
  for (int i = 1; i < argc; i++) {
    set(&bench.model, argv[i]);
  }
  trainee_init(&bench.exact, &bench, 0);
  trainee_init(&bench.fewbit, &bench, FEWBIT_BITS);
  must(batch_random(&bench.batch, bench.exact.model, 1, &err), &err);
  plain_init(&bench);
  while (fgets(line, sizeof line, stdin)) {
    answer(&bench, line);
  }
  plain_gpt_free(bench.plain);
  batch_fini(&bench.batch);
  trainee_fini(&bench.fewbit);
  trainee_fini(&bench.exact);
  return 0;
}
