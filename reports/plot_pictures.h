/* The plots of a run as SVG, for a page: drawn before the page is written, so that the page itself needs no other program. */
#ifndef ACTSCOPE_REPORTS_PLOT_PICTURES_H
#define ACTSCOPE_REPORTS_PLOT_PICTURES_H

#include "reports/plots.h"

#include <stdbool.h>

enum { PLOT_PICTURES_MAX = 8 };

struct plot_picture {
  const struct plot *plot;
  char *wide, *narrow; /* SVG documents */
  char *description;   /* in words */
  struct plot_legend legend[PLOT_LEGEND_MAX];
  size_t legend_count;
};

struct plot_pictures {
  struct plot_picture items[PLOT_PICTURES_MAX];
  size_t count;
  char notice[320]; /* why there are none, or "" */
  bool interrupted; /* Ctrl-C ended gnuplot: clean up, then raise(SIGINT) */
};

/* Draws what view has. A gnuplot that is absent or fails leaves the pictures empty and says so in the notice: that is no
 * failure. 0, or ERROR_MEMORY. The caller ends them with plot_pictures_fini, whatever the result. */
int plot_pictures_draw(struct plot_pictures *pictures, struct plot_view *view, struct error *err);
void plot_pictures_fini(struct plot_pictures *pictures); /* zeroed is fine */

/* NULL: it was not drawn. */
const struct plot_picture *plot_pictures_find(const struct plot_pictures *pictures, const struct plot *plot);

#endif
