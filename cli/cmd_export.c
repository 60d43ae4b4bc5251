/* actscope export: the run in other tools' formats. */
#include "cli/choice.h"
#include "cli/command.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/subject.h"

#include "reports/chrome.h"
#include "reports/collapsed.h"
#include "reports/massif.h"
#include "reports/pprof.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

struct format {
  const char *name;
  void (*emit)(struct sink *sink, const struct facts *facts);
  bool history; /* tells of the saved blocks of every step */
  bool binary;
};

static const struct format formats[] = {
    {"collapsed", collapsed_emit, false, false},
    {"chrome", chrome_emit, true, false},
    {"pprof", pprof_emit, false, true},
    {"massif", massif_emit, false, false},
};

struct arguments {
  struct subject run;
  const struct format *format;
  struct output output;
};

static const char *format_at(size_t index) {
  return index < sizeof formats / sizeof *formats ? formats[index].name : NULL;
}
const struct choice choice_export_format = {"format", format_at};

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->output;
    state->child_inputs[1] = &arguments->run;
    return 0;
  case 'f':
    arguments->format = &formats[choice_parse(&choice_export_format, "--format", text, state)];
    return 0;
  case ARGP_KEY_END:
    if (!arguments->format) {
      argp_error(state, "no --format given: collapsed, chrome, pprof or massif");
    }
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0,
     "collapsed: stacks by bytes at the peak, for flame graphs; chrome: the run over time, for Perfetto and "
     "chrome://tracing; pprof: the peak for pprof; massif: the heap over time, for ms_print",
     0},
    {0}};
static const struct argp_child children[] = {{&output_plain_argp, 0, NULL, 0}, {&subject_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {.options = options,
                                 .parser = parse,
                                 .args_doc = "RUN",
                                 .children = children,
                                 .doc = "Writes RUN in the format of another tool.\v"
                                        "What reads them:\n"
                                        "  collapsed  flamegraph.pl --countname bytes FILE > peak.svg; speedscope\n"
                                        "  chrome     ui.perfetto.dev, chrome://tracing\n"
                                        "  pprof      go tool pprof -top FILE (named FILE.pb.gz)\n"
                                        "  massif     ms_print FILE; massif-visualizer"};

static bool goes_to_terminal(const struct output *output) {
  return (!output->path || strcmp(output->path, "-") == 0) && isatty(STDOUT_FILENO);
}

static int load(const struct arguments *arguments, struct facts *facts, struct error *err) {
  if (arguments->format->binary && goes_to_terminal(&arguments->output)) {
    return error_set(err, ERROR_USAGE, "%s is a binary format, nothing for a terminal; name a file with -o",
                     arguments->format->name);
  }
  return arguments->format->history ? load_facts_history(arguments->run.name, facts, err)
                                    : load_facts(arguments->run.name, facts, err);
}

static int emit(const struct arguments *arguments, const struct facts *facts, struct error *err) {
  struct sink sink;
  int code = output_open(&sink, &arguments->output, arguments->run.name, err);
  if (code == 0) {
    arguments->format->emit(&sink, facts);
    code = sink_close(&sink, err);
  }
  return code;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {.run = SUBJECT_RUN};
  struct facts facts = {0};
  struct error err;
  int code;
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  code = load(&arguments, &facts, &err);
  if (code == 0) {
    code = emit(&arguments, &facts, &err);
  }
  facts_fini(&facts);
  return code < 0 ? command_fail(code, &err) : EXIT_DONE;
}

const struct command command_export = {"export", "the run for other tools: flame graphs, Perfetto, pprof, massif", run,
                                       &argp};
