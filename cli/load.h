/* Loads a run for the commands that show something of it, with a progress line. */
#ifndef ACTSCOPE_CLI_LOAD_H
#define ACTSCOPE_CLI_LOAD_H

#include "analyzers/facts.h"
#include "analyzers/ranks.h"
#include "common/error.h"

/* run: a trace or a store. *facts must be zeroed, and is the caller's to end with facts_fini, whatever the result. */
int load_facts(const char *run, struct facts *facts, struct error *err);
/* The same with the saved blocks of every step, which takes longer for a store: facts_saved.h needs them. */
int load_facts_history(const char *run, struct facts *facts, struct error *err);

/* Several, to be seen together; a file that cannot be read becomes one of ranks->failures. *ranks is the caller's to end
 * with ranks_fini, whatever the result. */
int load_ranks(const char *const *runs, size_t count, struct ranks *ranks, struct error *err);

#endif
