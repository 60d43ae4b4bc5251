/* Runs gnuplot, an external program that may be absent. */
#ifndef ACTSCOPE_REPORTS_GNUPLOT_H
#define ACTSCOPE_REPORTS_GNUPLOT_H

#include "common/error.h"
#include "reports/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Prints a text as a string of gnuplot's that is nothing but text: within double quotes it would run what stands between
 * backquotes, and names come from anywhere. */
void gnuplot_quote(struct sink *sink, const char *text);

/* Draws the script's plot into the file at path, which appears only when it is whole; its ending, .svg or .png, says what
 * kind (ERROR_USAGE for others). The script sets neither terminal nor output. `missing` tells, on ERROR_IO, that there is
 * no gnuplot: a notice then, no failure. */
int gnuplot_draw(const char *path, const char *script, size_t size, int *missing, struct error *err);

struct gnuplot_end {
  bool missing;     /* there is no gnuplot */
  bool interrupted; /* Ctrl-C ended it: clean up, then raise(SIGINT) */
};

/* Runs a script, in `folder` (NULL: where we are), without the user's own settings. What it prints goes to `output` (NULL: to
 * where ours goes). 0, or ERROR_IO, ERROR_MEMORY; *end tells why. */
int gnuplot_run(const char *folder, const char *script, size_t size, FILE *output, struct gnuplot_end *end,
                struct error *err);

/* Does the file end as one of its kind (.svg, .png, .pdf, by path's ending) does? gnuplot does not tell of a full disk. */
bool gnuplot_is_whole(const char *file, const char *path);

#endif
