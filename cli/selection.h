/* The options that ask for a part of a run: --op, --layer, --step, --since, --until, --sort. An argp child parser. */
#ifndef ACTSCOPE_CLI_SELECTION_H
#define ACTSCOPE_CLI_SELECTION_H

#include "analyzers/facts_select.h"

#include <argp.h>

/* A parent hands its struct facts_selection, set to FACTS_SELECT_ALL, over as the child's input. */
extern const struct argp selection_argp;

#endif
