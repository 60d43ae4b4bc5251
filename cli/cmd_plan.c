/* actscope plan: the memory of a training step of a built-in model, too large to run here or not. */
#include "cli/command.h"
#include "cli/model_arguments.h"
#include "cli/output.h"
#include "cli/subject.h"
#include "cli/widths.h"

#include "reports/plan_view.h"

#include <string.h>

struct arguments {
  struct subject model;
  struct model_arguments settings;
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
    state->child_inputs[2] = &arguments->output;
    state->child_inputs[3] = &arguments->model;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_child children[] = {{&widths_argp, 0, NULL, 0},
                                             {&model_argp, 0, NULL, 0},
                                             {&output_argp, 0, NULL, 0},
                                             {&subject_argp, 0, NULL, 0},
                                             {0}};
static const struct argp argp = {
    .parser = parse,
    .args_doc = "MODEL",
    .children = children,
    .doc =
        "Tells the memory of a training step of MODEL: parameters, gradients, optimizer state, what is saved for "
        "backward by op and layer, and the peak, exact and with codes of few bits (default 1,2,3,4). Nothing is "
        "computed, so the model may be larger than this machine.\vMODEL is a name that `actscope models' lists, or a "
        "FILE.model.\n\nExit status: 0 done, 2 wrong usage, 3 bad input."};

static int emit(const struct arguments *arguments, const struct plan *plan, struct error *err) {
  struct sink sink;
  int code = output_open(&sink, &arguments->output, NULL, err);
  if (code == 0) {
    (arguments->output.json ? plan_json_emit : plan_text_emit)(&sink, plan);
    code = sink_close(&sink, err);
  }
  return code;
}

static int make_and_emit(const struct arguments *arguments, struct error *err) {
  struct plan_options options = {.optimizer = arguments->settings.optimizer,
                                 .method = arguments->widths.method,
                                 .bits_count = arguments->widths.count};
  struct plan plan = {0};
  memcpy(options.bits, arguments->widths.bits, sizeof options.bits);
  int code = model_arguments_find(&arguments->settings, arguments->model.name, &options.model, err);
  if (code == 0) {
    const char *const file = model_arguments_file(arguments->model.name);
    code = output_prepare(&arguments->output, NULL, &file, 1, err);
  }
  if (code == 0) {
    code = plan_make(&plan, &options, err);
  }
  if (code == 0) {
    code = emit(arguments, &plan, err);
  }
  plan_fini(&plan);
  return code;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {
      .model = {.missing = "no MODEL given; `actscope models' lists them", .one = "one MODEL is planned"},
      .widths = {.bits = {1, 2, 3, 4}, .count = 4},
      .settings.optimizer = optimizer_defaults(OPTIMIZER_ADAMW)};
  struct error err;
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  const int code = make_and_emit(&arguments, &err);
  model_arguments_fini(&arguments.settings);
  return code < 0 ? command_fail(code, &err) : EXIT_DONE;
}

const struct command command_plan = {"plan", "the memory of a model too large to run here", run, &argp};
