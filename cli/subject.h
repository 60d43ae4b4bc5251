/* The word that a command works on, RUN or MODEL, or several of them: an argp child parser. */
#ifndef ACTSCOPE_CLI_SUBJECT_H
#define ACTSCOPE_CLI_SUBJECT_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

struct subject {
  const char *name;   /* as given; NULL: not given */
  bool several;       /* more may be given: */
  const char **names; /* all of them; subject_fini frees the list */
  size_t count;
  const char *missing; /* what is told then, as wrong usage; NULL: the command may do without */
  const char *one;     /* told of a second word: "one RUN is read" */
};

/* Of the commands that read a recorded run. */
#define SUBJECT_RUN                                                                                                    \
  {                                                                                                                    \
    .missing = "no RUN given: a trace, or a store made from it",                                                       \
    .one = "one RUN is read; several together: actscope report RUN..."                                                 \
  }
/* Of those that read several, too. */
#define SUBJECT_RUNS                                                                                                   \
  { .missing = "no RUN given: a trace, or a store made from it", .several = true }

/* Hand a struct subject over as the child's input. */
extern const struct argp subject_argp;

void subject_fini(struct subject *subject);

#endif
