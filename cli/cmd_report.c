/* actscope report: the views of a run. */
#include "cli/choice.h"
#include "cli/command.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/report_several.h"
#include "cli/selection.h"
#include "cli/subject.h"

#include "reports/format.h"
#include "reports/plot_files.h"
#include "reports/plot_pictures.h"
#include "reports/report.h"
#include "reports/report_rows.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_TOP = 0x100, KEY_TABLE, KEY_PLOTS, KEY_VERIFY };

struct arguments {
  struct subject run;
  const struct report_backend *backend; /* of --format, NULL: not given */
  bool top_given;
  struct report_options report;
  const char *plots;  /* a folder, NULL: none */
  const char *verify; /* a file, NULL: none */
  char *command;      /* all of the command line */
  struct facts_selection selection;
  struct output output;
};

static size_t parse_top(const char *text, struct argp_state *state) {
  char *end;
  unsigned long value;
  errno = 0;
  value = strtoul(text, &end, 10);
  if (errno || end == text || *end || strchr(text, '-')) {
    argp_error(state, "--top: '%s' is not a number; 0 shows everything", text);
  }
  return value;
}

static const struct report_backend *parse_format(const char *name, struct argp_state *state) {
  size_t count;
  return &report_backends(&count)[choice_parse(&choice_report_format, "--format", name, state)];
}

static const char *parse_table(const char *name, struct argp_state *state) {
  choice_parse(&choice_report_table, "--table", name, state);
  return name;
}

static const char *format_of(const struct arguments *arguments) {
  return arguments->output.json ? "json" : arguments->backend ? arguments->backend->name : "text";
}

/* What asks for a part of one run, or for a form that shows one. */
static void check_several(const struct arguments *arguments, struct argp_state *state) {
  if (facts_selection_is_part(&arguments->selection) || arguments->selection.order != FACTS_BY_BYTES) {
    argp_error(state, "--op, --layer, --step, --since, --until and --sort look into one run, and %zu are given",
               arguments->run.count);
  }
  if (arguments->plots || arguments->verify) {
    argp_error(state, "--plots and --verify are of one run, and %zu are given", arguments->run.count);
  }
  if (!ranks_backend_find(format_of(arguments))) {
    argp_error(state, "--format %s shows one run, and %zu are given", format_of(arguments), arguments->run.count);
  }
}

static void check(const struct arguments *arguments, struct argp_state *state) {
  const bool several = arguments->run.count > 1;
  const char *table = arguments->report.table;
  if (arguments->output.json && arguments->backend && strcmp(arguments->backend->name, "json") != 0) {
    argp_error(state, "--json and --format %s contradict each other: leave one out", arguments->backend->name);
  }
  if (table && strcmp(format_of(arguments), "csv") != 0) {
    argp_error(state, "--table is for csv: add --format csv");
  }
  if (table && !(several ? ranks_table_find(table) : report_table_find(table))) {
    argp_error(state, "--table %s is of %s", table, several ? "one run, and several are given" : "several runs");
  }
  if (several) {
    check_several(arguments, state);
  }
}

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->output;
    state->child_inputs[1] = &arguments->selection;
    state->child_inputs[2] = &arguments->run;
    return 0;
  case 'f':
    arguments->backend = parse_format(text, state);
    return 0;
  case KEY_TOP:
    arguments->report.top = parse_top(text, state);
    arguments->top_given = true;
    return 0;
  case KEY_TABLE:
    arguments->report.table = parse_table(text, state);
    return 0;
  case KEY_PLOTS:
    arguments->plots = text;
    return 0;
  case KEY_VERIFY:
    arguments->verify = text;
    return 0;
  case ARGP_KEY_END:
    check(arguments, state);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0,
     "text (a page to read), json (actscope.report/1), csv, md (Markdown), or html (a page with plots)", 0},
    {"table", KEY_TABLE, "TABLE", 0, "With csv: this table alone, with columns of its own, such as by_op or list", 0},
    {"top", KEY_TOP, "N", 0,
     "Show the first N of each list, 0 = all (default: 10 in text and md, 100 in html, else all)", 0},
    {"plots", KEY_PLOTS, "DIR", 0,
     "Draw plots into DIR, too: SVG, PNG and PDF with data and scripts beside them (needs gnuplot)", 0},
    {"verify", KEY_VERIFY, "FILE.json", 0,
     "Tell the gradients' cosines, too, that `verify --json' or `replay --json' found", 0},
    {0}};
static const struct argp_child children[] = {
    {&output_argp, 0, NULL, 0}, {&selection_argp, 0, "Selection:", 3}, {&subject_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN...",
    .children = children,
    .doc = "Reports where the memory of RUN went: the peak, what is saved for backward and by which op, and the peak "
           "that few-bit codes would have given. Of several RUNs: each process, and what they had together.\vRUN is a "
           "trace made by `actscope record', or a store made by `actscope analyze'. Exit status: 0 done, 2 wrong "
           "usage, 3 bad or damaged input, or output not written."};

static int out_of_memory(struct error *err) {
  return error_set(err, ERROR_MEMORY, "out of memory");
}

static int write_report(const struct arguments *arguments, const struct report_backend *backend,
                        const struct facts *facts, const struct report_page *page, struct error *err) {
  struct report_options report = arguments->report;
  struct sink sink;
  int code = output_open(&sink, &arguments->output, arguments->run.name, err);
  if (code < 0) {
    return code;
  }
  report.top = arguments->top_given ? report.top : backend->top;
  report.selection = &arguments->selection;
  report.page = page;
  backend->emit(&sink, facts, &report);
  return sink_close(&sink, err);
}

/* A page without plots is a page all the same. */
static int write_page(const struct arguments *arguments, const struct report_backend *backend,
                      const struct facts *facts, struct error *err) {
  struct plot_view view;
  struct plot_pictures pictures = {.count = 0};
  char *run = format_path(arguments->run.name);
  int code = plot_view_init(&view, facts, arguments->report.gradients);
  code = code < 0 || !run || !arguments->command ? out_of_memory(err) : plot_pictures_draw(&pictures, &view, err);
  plot_view_fini(&view);
  if (code == 0 && pictures.notice[0]) {
    command_note("%s; the page has no plots", pictures.notice);
  }
  if (code == 0 && !pictures.interrupted) {
    const struct report_page page = {&pictures, ACTSCOPE_VERSION, run, arguments->command};
    code = write_report(arguments, backend, facts, &page, err);
  }
  const bool interrupted = pictures.interrupted;
  plot_pictures_fini(&pictures);
  free(run);
  if (interrupted) {
    raise(SIGINT);
  }
  return code;
}

static int emit(const struct arguments *arguments, const struct facts *facts, struct error *err) {
  const struct report_backend *backend = report_backend_find(format_of(arguments));
  return backend->pictures ? write_page(arguments, backend, facts, err)
                           : write_report(arguments, backend, facts, NULL, err);
}

static int draw(const struct arguments *arguments, const struct facts *facts, struct error *err) {
  struct plot_view view;
  struct plot_files files = {0};
  int code = plot_view_init(&view, facts, arguments->report.gradients);
  code = code < 0 ? out_of_memory(err) : plot_files_write(arguments->plots, &view, &files, err);
  plot_view_fini(&view);
  if (code == 0 && files.missing) {
    command_note("there is no gnuplot: %s has scripts and data, but no pictures; install gnuplot-nox",
                 arguments->plots);
  } else if (code == 0) {
    command_hint(files.plots ? "drew %u plot%s in %s" : "there is nothing to draw of this run: %u plot%s in %s",
                 files.plots, files.plots == 1 ? "" : "s", arguments->plots);
  }
  return code;
}

/* What stands on the command line besides the run, before long work. */
static int prepare(struct arguments *arguments, struct gradients *gradients, struct error *err) {
  int code = 0;
  if (arguments->verify) {
    code = output_check(arguments->output.path, arguments->verify, err);
    code = code == 0 ? gradients_read(arguments->verify, gradients, err) : code;
    arguments->report.gradients = gradients;
  }
  return code;
}

/* "actscope report ..." as a shell would be told; NULL: no memory. */
static char *command_line(int argc, char *const *argv) {
  char *words = format_command(argc - 1, (const char *const *)argv + 1), *line = NULL;
  if (words && asprintf(&line, "actscope report %s", words) < 0) {
    line = NULL;
  }
  free(words);
  return line;
}

static int run_one(struct arguments *arguments, struct gradients *gradients) {
  const char *name = arguments->run.name;
  struct facts facts = {0};
  struct error err;
  int code = prepare(arguments, gradients, &err);
  if (code < 0) {
    return command_fail(code, &err);
  }
  code = facts_selection_needs_history(&arguments->selection) ? load_facts_history(name, &facts, &err)
                                                              : load_facts(name, &facts, &err);
  code = code == 0 ? facts_select(&facts, &arguments->selection, &err) : code;
  if (code == 0) {
    code = emit(arguments, &facts, &err);
  }
  if (code == 0 && arguments->plots) {
    code = draw(arguments, &facts, &err);
  }
  facts_fini(&facts);
  if (code == 0 && strcmp(format_of(arguments), "text") == 0) { /* programs know what they read */
    report_hint_at_others(name);
  }
  return code < 0 ? command_fail(code, &err) : EXIT_DONE;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {.run = SUBJECT_RUNS, .selection = FACTS_SELECT_ALL};
  struct gradients gradients; /* read into if --verify is given */
  arguments.command = command_line(argc, argv);
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  const int status = arguments.run.count > 1 ? report_several(&arguments.run, ranks_backend_find(format_of(&arguments)),
                                                              &arguments.output, &arguments.report, arguments.top_given)
                                             : run_one(&arguments, &gradients);
  subject_fini(&arguments.run);
  free(arguments.command);
  return status;
}

const struct command command_report = {"report", "where the memory went: peak, saved activations, few-bit peak", run,
                                       &argp};
