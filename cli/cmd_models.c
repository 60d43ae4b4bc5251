/* actscope models: the built-in models. */
#include "cli/command.h"
#include "cli/output.h"

#include "reports/plan_view.h"

static const struct argp_child children[] = {{&output_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {.parser = output_parse_alone,
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
