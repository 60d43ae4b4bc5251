/* actscope models: the built-in models. */
#include "cli/command.h"
#include "cli/output.h"

#include "reports/plan_view.h"

static error_t parse(int key, char *text, struct argp_state *state) {
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = state->input;
    return 0;
  case ARGP_KEY_ARG:
    argp_error(state, "too many arguments: '%s'", text);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_child children[] = {{&output_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {.parser = parse,
                                 .children = children,
                                 .doc = "Lists the models that `actscope replay', `verify' and `plan' know by name."};

static int run(int argc, char **argv) {
  struct output output = {0};
  struct sink sink;
  struct error err;
  argp_parse(&argp, argc, argv, 0, NULL, &output);
  int code = sink_open(&sink, output.path, output.color, &err);
  if (code == 0) {
    (output.json ? models_json_emit : models_text_emit)(&sink, model_presets());
    code = sink_close(&sink, &err);
  }
  return code < 0 ? command_fail(code, &err) : EXIT_DONE;
}

const struct command command_models = {"models", "the built-in models", run, &argp};
