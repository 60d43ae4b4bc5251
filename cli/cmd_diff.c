/* actscope diff: what changed from one run to another. */
#include "cli/command.h"
#include "cli/load.h"
#include "cli/output.h"

#include "common/error.h"
#include "reports/diff.h"
#include "reports/format.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_TOP = 0x100, KEY_TOLERANCE, KEY_MAX_GROWTH };

struct arguments {
  struct diff_options diff;
  size_t runs;
  bool top_given;
  double max_growth; /* percent; NaN: not asked for */
  struct output output;
};

static size_t parse_top(const char *text, struct argp_state *state) {
  char *end;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (errno || end == text || *end || strchr(text, '-')) {
    argp_error(state, "--top: '%s' is not a number; 0 shows everything", text);
  }
  return value;
}

static double parse_percent(const char *option, const char *text, struct argp_state *state) {
  char *end;
  double value = strtod(text, &end);
  if (end != text && *end == '%') {
    end++;
  }
  if (end == text || *end || !(value >= 0) || value > 1e6) {
    argp_error(state, "%s: '%s' is not a percentage; give one such as 0.5", option, text);
  }
  return value;
}

static void take_run(struct arguments *arguments, const char *text, struct argp_state *state) {
  if (arguments->runs == COMPARE_SIDES) {
    argp_error(state, "too many arguments: '%s'; two runs are compared", text);
  }
  arguments->diff.names[arguments->runs++] = text;
}

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->output;
    return 0;
  case KEY_TOP:
    arguments->diff.top = parse_top(text, state);
    arguments->top_given = true;
    return 0;
  case KEY_TOLERANCE:
    arguments->diff.share = parse_percent("--tolerance", text, state) / 100;
    return 0;
  case KEY_MAX_GROWTH:
    arguments->max_growth = parse_percent("--max-growth", text, state);
    return 0;
  case ARGP_KEY_ARG:
    take_run(arguments, text, state);
    return 0;
  case ARGP_KEY_END:
    if (arguments->runs < COMPARE_SIDES) {
      argp_error(state, "two runs are compared: actscope diff RUN1 RUN2");
    }
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {
    {"top", KEY_TOP, "N", 0, "Show the first N changes of each list, 0 = all (default: 10 in text, all in JSON)", 0},
    {"tolerance", KEY_TOLERANCE, "PERCENT", 0,
     "What changes by this share of the larger peak or less counts as the same (default 0.1)", 0},
    {"max-growth", KEY_MAX_GROWTH, "PERCENT", 0, "End with status 1 if the peak rose by more than this", 0},
    {0}};
static const struct argp_child children[] = {{&output_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN1 RUN2",
    .children = children,
    .doc = "Tells what changed from RUN1 to RUN2: the peak and what it consists of, what is saved for backward by op "
           "and by layer, allocation sites, steps, and the projected peak with few-bit codes; the largest change "
           "first.\vEach RUN is a trace or a store. Exit status: 0 done (whether or not anything changed), 1 the peak "
           "rose by more than --max-growth, 2 wrong usage, 3 bad or damaged input, or output not written."};

static int check_output(const struct arguments *arguments, struct error *err) {
  return output_prepare(&arguments->output, NULL, arguments->diff.names, COMPARE_SIDES, err);
}

static int emit(const struct arguments *arguments, const struct comparison *comparison, struct error *err) {
  struct diff_options diff = arguments->diff;
  struct sink sink;
  int code = output_open(&sink, &arguments->output, diff.names[0], err);
  if (code < 0) {
    return code;
  }
  if (!arguments->top_given) {
    diff.top = arguments->output.json ? 0 : 10;
  }
  (arguments->output.json ? diff_json_emit : diff_text_emit)(&sink, comparison, &diff);
  return sink_close(&sink, err);
}

/* 1 and a line that says so if the peak rose by more than was allowed. */
static int check_growth(const struct arguments *arguments, const struct comparison *comparison) {
  double before = (double)comparison->facts[0]->peak.bytes, after = (double)comparison->facts[1]->peak.bytes;
  char a[FORMAT_SIZE], b[FORMAT_SIZE];
  if (isnan(arguments->max_growth) || after <= before * (1 + arguments->max_growth / 100)) {
    return EXIT_DONE;
  }
  command_note("the peak rose from %s to %s, by more than %g %%", format_bytes(a, (uint64_t)before),
               format_bytes(b, (uint64_t)after), arguments->max_growth);
  return EXIT_SHORT;
}

static int compare(const struct arguments *arguments, const struct facts *facts, int *status, struct error *err) {
  struct comparison comparison;
  int code = comparison_make(&comparison, &facts[0], &facts[1], arguments->diff.share);
  code = code < 0 ? error_set(err, code, "out of memory") : emit(arguments, &comparison, err);
  if (code == 0) {
    *status = check_growth(arguments, &comparison);
  }
  comparison_fini(&comparison);
  return code;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {.diff = {.share = 0.001}, .max_growth = NAN};
  struct facts facts[COMPARE_SIDES] = {{0}};
  struct error err;
  int status = EXIT_DONE;
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  int code = check_output(&arguments, &err);
  for (int side = 0; code == 0 && side < COMPARE_SIDES; side++) {
    code = load_facts(arguments.diff.names[side], &facts[side], &err);
  }
  code = code == 0 ? compare(&arguments, facts, &status, &err) : code;
  for (int side = 0; side < COMPARE_SIDES; side++) {
    facts_fini(&facts[side]);
  }
  return code < 0 ? command_fail(code, &err) : status;
}

const struct command command_diff = {"diff", "what changed between two runs: peak, saved, by op and layer, steps", run,
                                     &argp};
