/* actscope export: the run in other tools' formats. */
#include "cli/command.h"
#include "cli/load.h"
#include "cli/output.h"

#include "reports/collapsed.h"

#include <string.h>

struct format {
  const char *name;
  void (*emit)(struct sink *sink, const struct facts *facts);
};

static const struct format formats[] = {{"collapsed", collapsed_emit}};

struct arguments {
  const char *run;
  const struct format *format;
  struct output output;
};

static const struct format *parse_format(const char *name, struct argp_state *state) {
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    if (strcmp(formats[i].name, name) == 0) {
      return &formats[i];
    }
  }
  argp_error(state, "--format: unknown format '%s'; the formats are: collapsed", name);
  return NULL;
}

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->output;
    return 0;
  case 'f':
    arguments->format = parse_format(text, state);
    return 0;
  case ARGP_KEY_ARG:
    if (arguments->run) {
      argp_error(state, "too many arguments: '%s'; one RUN is read", text);
    }
    arguments->run = text;
    return 0;
  case ARGP_KEY_END:
    if (!arguments->run || !arguments->format) {
      argp_error(state, arguments->run ? "no --format given; the formats are: collapsed"
                                       : "no RUN given: a trace, or a store made from it");
    }
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0, "collapsed: allocation stacks by bytes at the peak, for flame graphs", 0}, {0}};
static const struct argp_child children[] = {{&output_plain_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN",
    .children = children,
    .doc = "Writes RUN in the format of another tool.\v"
           "Collapsed stacks are read by flamegraph.pl, inferno-flamegraph and speedscope:\n"
           "  actscope export RUN --format collapsed | flamegraph.pl --countname bytes > peak.svg"};

static int emit(const struct arguments *arguments, const struct facts *facts, struct error *err) {
  struct sink sink;
  int code = output_open(&sink, &arguments->output, arguments->run, err);
  if (code == 0) {
    arguments->format->emit(&sink, facts);
    code = sink_close(&sink, err);
  }
  return code;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {0};
  struct facts facts = {0};
  struct error err;
  int code;
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  code = load_facts(arguments.run, &facts, &err);
  if (code == 0) {
    code = emit(&arguments, &facts, &err);
  }
  facts_fini(&facts);
  return code < 0 ? command_fail(code, &err) : EXIT_DONE;
}

const struct command command_export = {"export", "the run in other tools' formats, e.g. for flame graphs", run};
