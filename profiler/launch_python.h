/* Will a command run a Python that reads our start-up file? Private to the launcher, and for tests. */
#ifndef ACTSCOPE_PROFILER_LAUNCH_PYTHON_H
#define ACTSCOPE_PROFILER_LAUNCH_PYTHON_H

#include "common/error.h"

/* argv, NULL at the end, is the command; path the file that its first word names. 0 if it is Python, a script of Python's, or
 * something that may start one: a shell script, or a program with such a word among its arguments (env, mpirun, sh -c).
 * ERROR_INPUT, and what to do, for what cannot be Python, and for a Python that is told to read no start-up file (-I, -E,
 * -S), on the command line or in a script's first line. */
int launch_check_python(const char *path, char *const *argv, struct error *err);

#endif
