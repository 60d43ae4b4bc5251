/* From a recorded run, a trace or a store made from one, to the facts that every report is made of. */
#ifndef ACTSCOPE_ANALYZERS_ANALYZE_H
#define ACTSCOPE_ANALYZERS_ANALYZE_H

#include "analyzers/facts.h"
#include "common/error.h"

#include <stdbool.h>

struct analyze_options {
  void (*progress)(void *context, double share); /* 0 to 1, now and then; may be NULL */
  void *context;
  bool history; /* the saved blocks of every step from a store too; from a trace they always come */
};

/* Reads a trace once, with memory that grows with live blocks and distinct stacks, not with events. On success the
 * caller ends *facts with facts_fini; on failure it is zeroed. options may be NULL. 0, or a negative code: ERROR_IO for a
 * file that is missing or cannot be read, ERROR_INPUT for one that is foreign or damaged beyond use. */
int analyze_trace(const char *path, struct facts *facts, const struct analyze_options *options, struct error *err);

/* The same for a trace or a store, told apart by their first bytes. */
int analyze_load(const char *path, struct facts *facts, const struct analyze_options *options, struct error *err);

#endif
