/* actscope info: what a run's file holds, and whether it is whole. */
#include "cli/command.h"
#include "cli/output.h"
#include "cli/subject.h"

#include "reports/info.h"

struct arguments {
  struct subject run;
  struct output output;
};

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  (void)text;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->output;
    state->child_inputs[1] = &arguments->run;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_child children[] = {{&output_argp, 0, NULL, 0}, {&subject_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    .parser = parse,
    .args_doc = "RUN",
    .children = children,
    .doc = "Tells what the trace or store RUN holds and whether it is whole.\v"
           "Exit status: 0 readable (even if the process was killed while it was recorded), 2 wrong usage, "
           "3 missing or damaged."};

static int emit(const struct arguments *arguments, const struct info *info, struct error *err) {
  struct sink sink;
  int code = output_open(&sink, &arguments->output, arguments->run.name, err);
  if (code == 0) {
    (arguments->output.json ? info_json_emit : info_text_emit)(&sink, info);
    code = sink_close(&sink, err);
  }
  return code;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {.run = SUBJECT_RUN};
  struct info info;
  struct error err;
  int code;
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  code = info_read(&info, arguments.run.name, &err);
  if (code < 0) {
    return command_fail(code, &err);
  }
  code = emit(&arguments, &info, &err);
  if (code == 0 && info.damaged) { /* what could be read was shown; scripts look at the status */
    code = error_set(&err, ERROR_INPUT, "%s", info.damage);
  }
  info_fini(&info);
  return code < 0 ? command_fail(code, &err) : EXIT_DONE;
}

const struct command command_info = {"info", "what a run's file holds, and whether it is whole", run, &argp};
