/* Asks another program: its answer, within a time. */
#ifndef ACTSCOPE_CLI_RUN_OUTPUT_H
#define ACTSCOPE_CLI_RUN_OUTPUT_H

#include <stddef.h>

enum { RUN_OUTPUT_LATE = -2, RUN_OUTPUT_NOT_RUN = -1 };

/* Runs argv[0] (looked for on PATH), NULL at the end of argv, with nothing to read, and puts the first size - 1 bytes of
 * its standard output into text; what it says on standard error goes nowhere. The exit status (128+n after signal n);
 * RUN_OUTPUT_NOT_RUN if there is no such program; RUN_OUTPUT_LATE if it took longer than limit_ms: it and what it started
 * are ended then. */
int run_output(char *const *argv, int limit_ms, char *text, size_t size);

#endif
