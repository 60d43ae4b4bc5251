/* The word that a command works on. */
#include "cli/subject.h"

static error_t parse(int key, char *text, struct argp_state *state) {
  struct subject *subject = state->input;
  switch (key) {
  case ARGP_KEY_ARG:
    if (subject->name) {
      argp_error(state, "too many arguments: '%s'; %s", text, subject->one);
    }
    subject->name = text;
    return 0;
  case ARGP_KEY_NO_ARGS:
    if (subject->missing) {
      argp_error(state, "%s", subject->missing);
    }
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

const struct argp subject_argp = {.parser = parse};
