/* The one word that a command works on, RUN or MODEL: an argp child parser. */
#ifndef ACTSCOPE_CLI_SUBJECT_H
#define ACTSCOPE_CLI_SUBJECT_H

#include <argp.h>

struct subject {
  const char *name;    /* as given; NULL: not given */
  const char *missing; /* what is told then, as wrong usage; NULL: the command may do without */
  const char *one;     /* told of a second word: "one RUN is read" */
};

/* Of the commands that read a recorded run. */
#define SUBJECT_RUN                                                                                                    \
  { .missing = "no RUN given: a trace, or a store made from it", .one = "one RUN is read" }

/* Hand a struct subject over as the child's input. */
extern const struct argp subject_argp;

#endif
