/* actscope analyze: the store of a run. */
#include "cli/command.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/subject.h"

#include "analyzers/analyze.h"
#include "analyzers/store.h"
#include "reports/format.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct arguments {
  struct subject run;
  const char *store; /* NULL: RUN.sqlite */
  bool quiet;
};

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->run;
    return 0;
  case 'o':
    arguments->store = output_parse_name("-o", text, state);
    return 0;
  case 'q':
    arguments->quiet = true;
    command_be_quiet();
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {
    {"output", 'o', "PATH", 0, "Write the store to PATH (default: RUN.sqlite)", 0},
    {"quiet", 'q', NULL, 0, "Say nothing when all went well", 0},
    {0}};
static const struct argp_child children[] = {{&subject_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN",
    .children = children,
    .doc = "Analyzes the trace RUN and writes a store: an SQLite database that every report can be made from, without "
           "the trace, and that other programs can query.\v"
           "  actscope analyze run.act\n"
           "  sqlite3 run.act.sqlite 'SELECT * FROM saved_by_op'"};

static void tell(const char *store) {
  struct stat status;
  char size[FORMAT_SIZE];
  char *argument = format_path(store);
  if (argument && stat(store, &status) == 0) {
    command_note("wrote %s (%s); read it with sqlite3, or: actscope report %s", store,
                 format_bytes(size, (uint64_t)status.st_size), argument);
  }
  free(argument);
}

static int analyze(const char *run, const char *store, struct error *err) {
  struct facts facts = {0};
  struct progress progress;
  struct analyze_options analyze_options = {.progress = progress_update, .context = &progress};
  int code = output_check(store, run, err);
  code = code == 0 ? store_check(store, err) : code;
  if (code == 0) {
    progress_begin(&progress, "reading the trace");
    code = analyze_trace(run, &facts, &analyze_options, err);
    progress_end(&progress);
  }
  if (code == 0) {
    code = store_write(store, &facts, err);
  }
  facts_fini(&facts);
  return code;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {
      .run = {.missing = "no RUN given: a trace", .one = "one RUN is read; each has a store of its own"}};
  struct error err;
  char *store;
  int code;
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  if (asprintf(&store, "%s%s", arguments.store ? arguments.store : arguments.run.name,
               arguments.store ? "" : ".sqlite") < 0) {
    return command_fail(error_set(&err, ERROR_MEMORY, "out of memory"), &err);
  }
  code = analyze(arguments.run.name, store, &err);
  if (code == 0 && !arguments.quiet) {
    tell(store);
  }
  free(store);
  return code < 0 ? command_fail(code, &err) : EXIT_DONE;
}

const struct command command_analyze = {"analyze", "make the SQLite store that other tools can query", run, &argp};
