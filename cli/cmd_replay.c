/* actscope replay: a run's activations, or a built-in model's training, exact and few-bit: bytes, time, error. */
#include "cli/command.h"
#include "cli/load.h"
#include "cli/model_arguments.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/replay_list.h"
#include "cli/subject.h"
#include "cli/training.h"
#include "cli/widths.h"

#include "reports/replay_view.h"

#include <stdlib.h>
#include <string.h>

enum { STEPS_DEFAULT = 10 };

struct arguments {
  struct subject subject; /* RUN or MODEL */
  struct model_arguments settings;
  struct training_arguments training;
  struct widths widths;
  struct output output;
};

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  (void)text;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->widths;
    state->child_inputs[1] = &arguments->settings;
    state->child_inputs[2] = &arguments->training;
    state->child_inputs[3] = &arguments->output;
    state->child_inputs[4] = &arguments->subject;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_child children[] = {{&widths_argp, 0, NULL, 0},   {&model_argp, 0, NULL, 0},
                                             {&training_argp, 0, NULL, 0}, {&output_argp, 0, NULL, 0},
                                             {&subject_argp, 0, NULL, 0},  {0}};
static const struct argp argp = {
    .parser = parse,
    .args_doc = "RUN\nMODEL",
    .children = children,
    .doc =
        "Replays what a recorded RUN saved and few-bit codes could replace, or trains a built-in MODEL, exact and with "
        "codes of few bits, and tells the bytes really held, the time, and the error of the gradient.\vRUN is a "
        "trace made by `actscope record', or a store made by `actscope analyze'; MODEL a name that `actscope models' "
        "lists, or a FILE.model, trained 10 steps on random batches unless told otherwise. Widths are 1,2,3,4 bits "
        "and exact; for a MODEL --bits lists 0 for exact.\n\nExit status: 0 done, 2 wrong usage, 3 bad input."};

/* ---- a run ------------------------------------------------------------------------------------------------------- */

static int emit_run(const struct arguments *arguments, const struct replay_source *source,
                    const struct replay_options *options, const struct replay_result *result, struct error *err) {
  struct sink sink;
  int code = output_open(&sink, &arguments->output, source->run, err);
  if (code == 0) {
    (arguments->output.json ? replay_json_emit : replay_text_emit)(&sink, source, options, result);
    code = sink_close(&sink, err);
  }
  return code;
}

/* A run is always replayed exact, too: 0 among the bits asks for nothing more. */
static void set_bits(struct replay_options *options, const struct widths *widths) {
  for (size_t i = 0; i < widths->count; i++) {
    if (widths->bits[i]) {
      options->bits[options->bits_count++] = widths->bits[i];
    }
  }
}

static int replay_facts(const struct arguments *arguments, const struct facts *facts, struct error *err) {
  const struct replay_source source = {arguments->subject.name, facts->saved_step};
  struct replay_activation *list = NULL;
  struct replay_result result = {0};
  struct progress progress;
  struct replay_options options = {.method = arguments->widths.method,
                                   .seed = arguments->training.seed,
                                   .progress = progress_update,
                                   .context = &progress};
  size_t count = 0;
  set_bits(&options, &arguments->widths);
  int code = replay_list(facts, &list, &count, err);
  if (code == 0) {
    progress_begin(&progress, "replaying");
    code = replay_run(list, count, &options, &result, err);
    progress_end(&progress);
  }
  if (code == 0) {
    code = emit_run(arguments, &source, &options, &result, err);
  }
  replay_result_fini(&result);
  free(list);
  return code;
}

static int replay_recorded(const struct arguments *arguments, struct error *err) {
  const char *const run = arguments->subject.name;
  struct facts facts = {0};
  int code = model_arguments_refuse(&arguments->settings, &arguments->training, run, run, err);
  if (code == 0) {
    code = output_prepare(&arguments->output, NULL, &run, 1, err);
  }
  if (code == 0) {
    code = load_facts(run, &facts, err);
  }
  if (code == 0) {
    code = replay_facts(arguments, &facts, err);
  }
  facts_fini(&facts);
  return code;
}

/* ---- a model ----------------------------------------------------------------------------------------------------- */

static int emit_model(const struct arguments *arguments, const struct replay_model_options *options,
                      const struct replay_model *replay, struct error *err) {
  struct sink sink;
  int code = output_open(&sink, &arguments->output, NULL, err);
  if (code == 0) {
    (arguments->output.json ? replay_model_json_emit : replay_model_text_emit)(&sink, options, replay);
    code = sink_close(&sink, err);
  }
  return code;
}

static int replay_trained(const struct arguments *arguments, struct training *training, struct error *err) {
  struct replay_model_options options = {.run = training->options, .bits_count = arguments->widths.count};
  struct replay_model replay;
  memcpy(options.bits, arguments->widths.bits, sizeof options.bits);
  training_begin(training, options.run.steps * options.bits_count);
  int code = replay_model(&replay, &options, err);
  training_end(training);
  if (code == 0) {
    code = emit_model(arguments, &options, &replay, err);
  }
  replay_model_fini(&replay);
  return code;
}

static int replay_built_in(const struct arguments *arguments, struct error *err) {
  struct training training;
  struct model_options *model = &training.options.model;
  training_init(&training, &arguments->settings, &arguments->training, arguments->widths.method);
  int code = arguments->training.steps ? 0 : error_set(err, ERROR_USAGE, "--steps: train one step at least");
  if (code == 0) {
    code = model_arguments_find(&arguments->settings, arguments->subject.name, model, err);
  }
  if (code == 0) {
    code = training_arguments_data(&arguments->training, "random", model, &training.data, err);
    training.options.data = training.data;
  }
  if (code == 0) {
    code = training_prepare_output(&training, arguments->subject.name, &arguments->output, NULL, err);
  }
  if (code == 0) {
    code = replay_trained(arguments, &training, err);
  }
  training_fini(&training);
  return code;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {.subject = {.missing = "no RUN or MODEL given; `actscope models' lists the models",
                                            .one = "one RUN or MODEL is replayed"},
                                .widths = {.bits = {0, 1, 2, 3, 4}, .count = 5, .exact_too = true},
                                .training = {.steps = STEPS_DEFAULT, .seed = 1},
                                .settings.optimizer = optimizer_defaults(OPTIMIZER_ADAMW)};
  struct error err;
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  const int code = model_arguments_is_model(arguments.subject.name) ? replay_built_in(&arguments, &err)
                                                                    : replay_recorded(&arguments, &err);
  model_arguments_fini(&arguments.settings);
  return code < 0 ? command_fail(code, &err) : EXIT_DONE;
}

const struct command command_replay = {"replay", "layers replayed exact and few-bit: bytes, time, error", run, &argp};
