/* The words that a command works on. */
#include "cli/subject.h"

#include "cli/command.h"

#include <stdlib.h>

static void add(struct subject *subject, const char *text, struct argp_state *state) {
  const char **names = reallocarray(subject->names, subject->count + 1, sizeof *names);
  if (!names) {
    argp_failure(state, EXIT_INPUT, 0, "out of memory");
    return;
  }
  names[subject->count++] = text;
  subject->names = names;
}

static error_t parse(int key, char *text, struct argp_state *state) {
  struct subject *subject = state->input;
  switch (key) {
  case ARGP_KEY_ARG:
    if (subject->name && !subject->several) {
      argp_error(state, "too many arguments: '%s'; %s", text, subject->one);
    }
    subject->name = subject->name ? subject->name : text;
    if (subject->several) {
      add(subject, text, state);
    }
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

void subject_fini(struct subject *subject) {
  free(subject->names);
  subject->names = NULL;
  subject->count = 0;
}
