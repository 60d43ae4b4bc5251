/* A run's eligible activations, as a replay takes them. */
#ifndef ACTSCOPE_CLI_REPLAY_LIST_H
#define ACTSCOPE_CLI_REPLAY_LIST_H

#include "analyzers/facts.h"
#include "common/error.h"
#include "kernels/replay/replay_run.h"

/* *list: for free(); its strings are the facts'. */
int replay_list(const struct facts *facts, struct replay_activation **list, size_t *count, struct error *err);

#endif
