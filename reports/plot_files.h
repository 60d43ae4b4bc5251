/* Plots as files: scripts, data and pictures in a folder. */
#ifndef ACTSCOPE_REPORTS_PLOT_FILES_H
#define ACTSCOPE_REPORTS_PLOT_FILES_H

#include "reports/plots.h"

#include <stdbool.h>

struct plot_files {
  unsigned plots; /* how many there are */
  bool missing;   /* there is no gnuplot: scripts and data are written all the same */
};

/* Writes style.gp and, for every plot that has something to draw, NAME.gp and its data NAME.tsv into folder, which is made if
 * there is none; then has gnuplot draw NAME.svg, NAME.png and NAME.pdf. Files of these names are replaced, others left.
 * 0, or ERROR_IO, ERROR_MEMORY. view->files is set. */
int plot_files_write(const char *folder, struct plot_view *view, struct plot_files *files, struct error *err);

#endif
