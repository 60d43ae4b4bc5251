/* --plot: a picture beside a command's output. */
#ifndef ACTSCOPE_CLI_PLOT_H
#define ACTSCOPE_CLI_PLOT_H

#include "common/error.h"
#include "reports/sink.h"

#include <argp.h>

/* Wrong usage if path (NULL: no plot) is no name of a picture that gnuplot is asked for here: .svg or .png. */
void plot_check_name(const char *path, struct argp_state *state);

/* Ends `script`, a memory sink that holds gnuplot's commands, and has it drawn to path. Without gnuplot there is a notice
 * and no plot, and no error. */
int plot_draw(const char *path, struct sink *script, struct error *err);

#endif
