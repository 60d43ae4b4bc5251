/* What a recording's traces are called: patterns in RUN, and several launchers that were given the same RUN, as mpirun and
 * srun do. Private to the launcher. */
#ifndef ACTSCOPE_PROFILER_LAUNCH_NAME_H
#define ACTSCOPE_PROFILER_LAUNCH_NAME_H

#include "common/error.h"
#include "profiler/config.h"
#include "profiler/launch.h"

#include <stdbool.h>

struct launch_name {
  char base[CONFIG_PATH_MAX]; /* RUN, absolute */
  char stem[CONFIG_PATH_MAX]; /* processes write <stem>.<pid>: RUN, or RUN.rank<N> where other launchers use RUN too */
  int rank;                   /* this launcher's own, -1: none */
  int world_size;             /* 0: unknown */
  bool own;                   /* RUN's pattern gives every launcher a name of its own */
};

/* By options->output and the environment; the folder must be there and writable, and what is there under these names is
 * overwritten only if it is a trace. */
int launch_name_make(struct launch_name *name, const struct launch_options *options, struct error *err);

/* The output with its patterns replaced: %r the rank, %h the machine's name, %p the launcher's pid, %q{NAME} a variable of
 * the environment, %% a %. ERROR_USAGE for any other, or where there is no such rank or variable. *own as above. */
int launch_name_expand(char *path, size_t size, const char *output, int rank, bool *own, struct error *err);

/* Do other launchers use RUN too? */
bool launch_name_is_shared(const struct launch_name *name);

/* "<base>.rank<N>" */
void launch_name_of_rank(char *path, size_t size, const char *base, int rank);

#endif
