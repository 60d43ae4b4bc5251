/* Options of a selection. */
#include "cli/selection.h"

#include "cli/choice.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_OP = 0x300, KEY_LAYER, KEY_STEP, KEY_SINCE, KEY_UNTIL, KEY_SORT };

/* "1.5s", "800ms", "2min"; seconds without a unit. */
static uint64_t parse_time(const char *option, const char *text, struct argp_state *state) {
  static const struct {
    const char *unit;
    double ns;
  } units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}, {"min", 60e9}, {"h", 3600e9}};
  char *end;
  const double value = strtod(text, &end);
  const bool plain = !strpbrk(text, "xX"); /* 0x10s */
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    if (plain && end != text && strcmp(end, units[i].unit) == 0 && value >= 0 && value * units[i].ns < 9e18) {
      return (uint64_t)llround(value * units[i].ns);
    }
  }
  argp_error(state, "%s: '%s' is not a time into the run; give one such as 1.5s, 800ms or 2min", option, text);
  return 0;
}

static int parse_step(const char *text, struct argp_state *state) {
  char *end;
  long value;
  errno = 0;
  value = strtol(text, &end, 10);
  if (errno || end == text || *end || value < 0 || value > INT_MAX) {
    argp_error(state, "--step: '%s' is not the number of a step", text);
  }
  return (int)value;
}

CHOICE_NAMES(order_at, facts_order_names)
const struct choice choice_sort = {"order", order_at};

static error_t parse(int key, char *text, struct argp_state *state) {
  struct facts_selection *selection = state->input;
  switch (key) {
  case KEY_OP:
    selection->ops = text;
    return 0;
  case KEY_LAYER:
    selection->layers = text;
    return 0;
  case KEY_STEP:
    selection->step = parse_step(text, state);
    return 0;
  case KEY_SINCE:
    selection->since_ns = parse_time("--since", text, state);
    return 0;
  case KEY_UNTIL:
    selection->until_ns = parse_time("--until", text, state);
    return 0;
  case KEY_SORT:
    selection->order = (enum facts_order)choice_parse(&choice_sort, "--sort", text, state);
    return 0;
  case ARGP_KEY_END:
    if (selection->since_ns >= selection->until_ns) {
      argp_error(state, "--until: the time lies before that of --since");
    }
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {
    {"sort", KEY_SORT, "ORDER", 0, "Lists by bytes (default), blocks, eligible, name, or time of the save", 3},
    {"op", KEY_OP, "OP,...", 0, "Only saved blocks that one of these ops holds; * and ? stand for any", 3},
    {"layer", KEY_LAYER, "LAYER,...", 0, "Only saved blocks of these layers and of those below them", 3},
    {"step", KEY_STEP, "N", 0, "What step N saved, instead of the step that saved most", 3},
    {"since", KEY_SINCE, "TIME", 0, "Only steps after this time into the run: 1.5s, 800ms, 2min", 3},
    {"until", KEY_UNTIL, "TIME", 0, "Only steps before this time into the run", 3},
    {0}};

const struct argp selection_argp = {.options = options, .parser = parse};
