/* actscope project: the peak with few-bit codes, by bits and functions. */
#include "cli/choice.h"
#include "cli/command.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/subject.h"
#include "cli/widths.h"

#include "analyzers/op_name.h"
#include "analyzers/projection.h"
#include "reports/project.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_FUNCTIONS = 0x100, FUNCTIONS_MAX = 64 };

struct arguments {
  struct subject run;
  struct widths widths;
  const char *functions_text; /* as given, "" = all */
  char *functions_copy;       /* which the names point into */
  const char *functions[FUNCTIONS_MAX];
  size_t functions_count;
  struct output output;
};

_Static_assert(QUANTIZER_BITS_MAX == PROJECTION_BITS_MAX, "every width that can be asked for can be projected");

/* The ops' canonical names are lower case. */
static void lower(char *text) {
  for (; *text; text++) {
    *text = (char)tolower((unsigned char)*text);
  }
}

static void parse_functions(struct arguments *arguments, const char *text, struct argp_state *state) {
  char *rest = strdup(text);
  free(arguments->functions_copy);
  arguments->functions_text = text;
  arguments->functions_copy = rest;
  arguments->functions_count = 0;
  if (!rest) {
    argp_failure(state, EXIT_INPUT, 0, "out of memory");
    return;
  }
  lower(rest);
  while (rest) {
    const char *name = strsep(&rest, ",");
    if (!*name || arguments->functions_count == FUNCTIONS_MAX) {
      argp_error(state, "--functions: '%s' is not a list of names such as gelu,silu", text);
      return;
    }
    if (!op_is_pointwise(name, NULL)) {
      choice_refuse(&choice_pointwise, "--functions", name, state);
      return;
    }
    arguments->functions[arguments->functions_count++] = name;
  }
}

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->widths;
    state->child_inputs[1] = &arguments->output;
    state->child_inputs[2] = &arguments->run;
    return 0;
  case KEY_FUNCTIONS:
    parse_functions(arguments, text, state);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {
    {"functions", KEY_FUNCTIONS, "LIST", 0, "Codes for these functions only, e.g. gelu,silu (default: all)", 0}, {0}};
static const struct argp_child children[] = {
    {&widths_bits_argp, 0, NULL, 0}, {&output_argp, 0, NULL, 0}, {&subject_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN",
    .children = children,
    .doc = "Projects the peak that RUN would have had with codes of few bits in place of what pointwise nonlinearities "
           "save, by simulating its timeline again.\vRUN is a trace made by `actscope record', or a store made by "
           "`actscope analyze'."};

/* Puts the projections that were asked for in place of those that come with the facts. */
static int project(const struct arguments *arguments, struct facts *facts, struct error *err) {
  const struct widths *widths = &arguments->widths;
  struct facts_projection *projections = calloc(widths->count, sizeof *projections);
  int code = projections ? 0 : ERROR_MEMORY;
  for (size_t i = 0; code == 0 && i < widths->count; i++) {
    code =
        projection_compute(facts, widths->bits[i], arguments->functions, arguments->functions_count, &projections[i]);
  }
  if (code < 0) {
    free(projections);
    return error_set(err, code, "cannot project %s: %s", arguments->run.name,
                     code == ERROR_MEMORY ? "out of memory" : "unknown bits or functions");
  }
  free(facts->projections);
  facts->projections = projections;
  facts->projections_count = widths->count;
  return 0;
}

static int emit(const struct arguments *arguments, const struct facts *facts, struct error *err) {
  struct sink sink;
  int code = output_open(&sink, &arguments->output, arguments->run.name, err);
  if (code == 0) {
    (arguments->output.json ? project_json_emit : project_text_emit)(&sink, facts, arguments->functions_text);
    code = sink_close(&sink, err);
  }
  return code;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {.run = SUBJECT_RUN, .widths = {.bits = {1, 2, 3, 4}, .count = 4}, .functions_text = ""};
  struct facts facts = {0};
  struct error err;
  int code;
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  code = load_facts(arguments.run.name, &facts, &err);
  if (code == 0) {
    code = project(&arguments, &facts, &err);
  }
  if (code == 0) {
    code = emit(&arguments, &facts, &err);
  }
  facts_fini(&facts);
  free(arguments.functions_copy);
  return code < 0 ? command_fail(code, &err) : EXIT_DONE;
}

const struct command command_project = {"project", "the peak with few-bit codes, by bits and functions", run, &argp};
