/* Runs gnuplot, an external program that may be absent. */
#ifndef ACTSCOPE_REPORTS_GNUPLOT_H
#define ACTSCOPE_REPORTS_GNUPLOT_H

#include "common/error.h"
#include "reports/sink.h"

#include <stddef.h>

/* Prints a text as a string of gnuplot's that is nothing but text: within double quotes it would run what stands between
 * backquotes, and names come from anywhere. */
void gnuplot_quote(struct sink *sink, const char *text);

/* Draws the script's plot into the file at path, which appears only when it is whole; its ending, .svg or .png, says what
 * kind (ERROR_USAGE for others). The script sets neither terminal nor output. `missing` tells, on ERROR_IO, that there is
 * no gnuplot: a notice then, no failure. */
int gnuplot_draw(const char *path, const char *script, size_t size, int *missing, struct error *err);

#endif
