/* What is drawn of a run: a catalogue of plots, each a script for gnuplot and the tables of data that it reads.
 *
 * A plot is drawn in two places: into files, for a paper, where the data lie beside the script and may be restyled; and into
 * the HTML page, where the data stand within the script, there are no more points than pixels, and the page has the legend. */
#ifndef ACTSCOPE_REPORTS_PLOTS_H
#define ACTSCOPE_REPORTS_PLOTS_H

#include "analyzers/facts.h"
#include "reports/gradients.h"
#include "reports/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plot_view { /* what plots are drawn of, and for which place */
  const struct facts *facts;
  const struct gradients *gradients;      /* NULL: none were given */
  const struct facts_projection *few_bit; /* what the timeline is compared with; NULL: nothing to compare with */
  uint64_t *few_bit_levels;               /* one a sample of the timeline; NULL likewise */
  bool files;                             /* data lie in files NAME.tsv, else in blocks of the script */
  bool narrow;                            /* for a screen of 360 pixels */
};

/* facts and gradients are borrowed. 0, or ERROR_MEMORY; the caller ends it with plot_view_fini, whatever the result. */
int plot_view_init(struct plot_view *view, const struct facts *facts, const struct gradients *gradients);
void plot_view_fini(struct plot_view *view);

struct plot_data { /* a table of tab-separated columns, the first line their names */
  const char *name;
  void (*emit)(struct sink *sink, const struct plot_view *view);
};

enum { PLOT_DATA_MAX = 2, PLOT_LEGEND_MAX = CATEGORY_COUNT + 4, PLOT_LEGEND_SIZE = 48 };

struct plot_legend { /* a line of it */
  const char *color; /* of the palette, by name */
  char text[PLOT_LEGEND_SIZE];
  bool line; /* not an area */
};

struct plot {
  const char *name, *title;
  const struct plot_data *data[PLOT_DATA_MAX];
  bool (*has)(const struct plot_view *view);        /* is there anything to draw? */
  unsigned (*height)(const struct plot_view *view); /* in pixels */
  void (*settings)(struct sink *sink, const struct plot_view *view);
  void (*curves)(struct sink *sink, const struct plot_view *view);   /* the plot command */
  void (*describe)(struct sink *sink, const struct plot_view *view); /* in a sentence, for who cannot see it */
  /* Of the page, where gnuplot draws none; returns how many. NULL: the plot needs none. */
  size_t (*legend)(const struct plot_view *view, struct plot_legend legend[static PLOT_LEGEND_MAX]);
};

extern const struct plot plot_timeline, plot_steps, plot_lifetimes, plot_savings, plot_gradients;
extern const struct plot_data plot_data_steps; /* of plot_timeline too */

/* Every plot, in the order of a page. */
const struct plot *plot_at(size_t index); /* NULL: no more */

unsigned plot_width(const struct plot_view *view);

/* For the page: the whole script, from the terminal on; the SVG goes to where gnuplot's output does. */
void plot_inline_emit(struct sink *sink, const struct plot *plot, const struct plot_view *view);
/* For files: NAME.gp; the style is plot_style_emit's file style.gp, which it loads. */
void plot_script_emit(struct sink *sink, const struct plot *plot, const struct plot_view *view);
void plot_style_emit(struct sink *sink);

/* ---- for the plots themselves ------------------------------------------------------------------------------------ */

/* Prints what stands for a table of data in a plot command. */
void plot_source(struct sink *sink, const struct plot_view *view, const struct plot_data *data);

/* The unit that an axis up to so many bytes has. Defines gnuplot's variable `unit`, too. */
const char *plot_unit(struct sink *sink, uint64_t highest);
/* The same for time: defines `unit_time`, in seconds. */
const char *plot_time_unit(struct sink *sink, uint64_t ns);

/* "saved activation" */
enum { PLOT_CATEGORY_SIZE = 32 };
const char *plot_category(char out[static PLOT_CATEGORY_SIZE], enum category category);

/* The next line of a legend. */
void plot_legend_add(struct plot_legend *legend, size_t *count, const char *color, const char *text, bool line);

/* A field of a table: no tab, no line end, no double quote, and a backslash as gnuplot reads it, twice. */
void plot_field(struct sink *sink, const char *text);

#endif
