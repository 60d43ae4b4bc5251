/* Scripts: what all plots have in common. */
#include "reports/plots.h"

#include "analyzers/projection_timeline.h"
#include "common/error.h"
#include "reports/format.h"
#include "reports/palette.h"
#include "reports/summary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 920, WIDTH_NARROW = 380 };

static const struct plot *const plots[] = {&plot_timeline, &plot_lifetimes, &plot_savings, &plot_gradients,
                                           &plot_steps};

const struct plot *plot_at(size_t index) {
  return index < sizeof plots / sizeof *plots ? plots[index] : NULL;
}

/* ---- what is drawn ----------------------------------------------------------------------------------------------- */

int plot_view_init(struct plot_view *view, const struct facts *facts, const struct gradients *gradients) {
  *view = (struct plot_view){.facts = facts, .gradients = gradients};
  if (!summary_has_evidence(facts) || !facts->timeline_count || !facts->segments_count) {
    return 0;
  }
  view->few_bit = summary_projection(facts);
  if (!view->few_bit) {
    return 0;
  }
  view->few_bit_levels = calloc(facts->timeline_count, sizeof *view->few_bit_levels);
  return view->few_bit_levels ? projection_timeline(facts, view->few_bit->bits, NULL, 0, view->few_bit_levels)
                              : ERROR_MEMORY;
}

void plot_view_fini(struct plot_view *view) {
  free(view->few_bit_levels);
  *view = (struct plot_view){0};
}

unsigned plot_width(const struct plot_view *view) {
  return view->narrow ? WIDTH_NARROW : WIDTH;
}

/* ---- parts of plots ---------------------------------------------------------------------------------------------- */

void plot_source(struct sink *sink, const struct plot_view *view, const struct plot_data *data) {
  sink_print(sink, view->files ? "'%s.tsv'" : "$%s", data->name);
}

const char *plot_unit(struct sink *sink, uint64_t highest) {
  static const char *const names[] = {"KiB", "MiB", "GiB", "TiB"};
  size_t power = 0;
  while (power < 3 && highest >> (10 * (power + 2)) >= 2) {
    power++;
  }
  sink_print(sink, "unit = 2.0**%zu # %s\n", 10 * (power + 1), names[power]);
  return names[power];
}

const char *plot_time_unit(struct sink *sink, uint64_t ns) {
  static const struct { const char *name, *seconds; } units[] = {{"s", "1"}, {"ms", "1e-3"}, {"\xc2\xb5s", "1e-6"}};
  const size_t i = ns >= 2000000000 ? 0 : ns >= 2000000 ? 1 : 2;
  sink_print(sink, "unit_time = %s # %s\n", units[i].seconds, units[i].name);
  return units[i].name;
}

const char *plot_category(char out[static PLOT_CATEGORY_SIZE], enum category category) {
  strncpy(out, category_names[category], PLOT_CATEGORY_SIZE - 1);
  out[PLOT_CATEGORY_SIZE - 1] = '\0';
  for (char *c = out; *c; c++) {
    *c = *c == '_' ? ' ' : *c;
  }
  return out;
}

void plot_legend_add(struct plot_legend *legend, size_t *count, const char *color, const char *text, bool line) {
  struct plot_legend *item = &legend[(*count)++];
  *item = (struct plot_legend){.color = color, .line = line};
  snprintf(item->text, sizeof item->text, "%s", text);
}

void plot_field(struct sink *sink, const char *text) {
  char *clean = format_clean(text ? text : "", true);
  if (!clean) {
    sink_fail(sink, ENOMEM);
    return;
  }
  for (const char *c = *clean ? clean : "-"; *c; c++) { /* an empty field would be no field */
    sink_print(sink, "%s%c", *c == '\\' ? "\\" : "", *c == '"' ? '\'' : *c);
  }
  free(clean);
}

/* ---- scripts ----------------------------------------------------------------------------------------------------- */

static void print_colors(struct sink *sink) {
  for (size_t i = 0; i < PALETTE_COUNT; i++) {
    sink_print(sink, "color_%s = '%s'\n", palette[i].name, palette[i].light);
  }
}

/* What is set for every plot. Names are text, not markup. */
static void print_look(struct sink *sink) {
  sink_print(sink, "set encoding utf8\n"
                   "set datafile separator tab\n"
                   "set datafile columnheaders\n"
                   "set datafile missing 'NaN'\n"
                   "set border 3 lc rgb color_ink lw 0.8\n"
                   "set tics nomirror out scale 0.5\n"
                   "set format '%%g'\n"
                   "set grid ytics lt 1 lw 0.6 lc rgb color_grid\n"
                   "set style fill solid 1 noborder\n"
                   "set key noenhanced\n");
}

void plot_style_emit(struct sink *sink) {
  sink_print(sink, "# What every plot here has in common: change it, and run `gnuplot timeline.gp' or another.\n"
                   "kinds = 'svg png pdf' # what is drawn of each plot\n"
                   "font = 'sans-serif'\n"
                   "terminal(kind, width, height) = \\\n"
                   "  kind eq 'svg' ? sprintf(\"set terminal svg size %%d,%%d noenhanced background '#ffffff' font "
                   "'%%s,13'\", width, height, font) : \\\n"
                   "  kind eq 'png' ? sprintf(\"set terminal pngcairo size %%d,%%d noenhanced fontscale 1.9 linewidth "
                   "2 pointscale 2 font '%%s,10'\", 2 * width, 2 * height, font) : \\\n"
                   "  sprintf(\"set terminal pdfcairo size %%.2fin,%%.2fin noenhanced font '%%s,10'\", width / 100., "
                   "height / 100., font)\n\n");
  print_colors(sink);
  sink_print(sink, "\n");
  print_look(sink);
}

void plot_script_emit(struct sink *sink, const struct plot *plot, const struct plot_view *view) {
  sink_print(sink, "# %s.\n# `gnuplot %s.gp' in this folder draws it again, from", plot->title, plot->name);
  for (size_t i = 0; i < PLOT_DATA_MAX && plot->data[i]; i++) {
    sink_print(sink, "%s %s.tsv", i ? " and" : "", plot->data[i]->name);
  }
  sink_print(sink, ".\nload 'style.gp'\n\n");
  plot->settings(sink, view);
  sink_print(sink, "\ndo for [kind in kinds] {\neval terminal(kind, %u, %u)\nset output '%s.'.kind\n", plot_width(view),
             plot->height(view), plot->name);
  plot->curves(sink, view);
  sink_print(sink, "unset output\n}\n");
}

void plot_inline_emit(struct sink *sink, const struct plot *plot, const struct plot_view *view) {
  sink_print(sink, "reset\nset terminal svg size %u,%u dynamic noenhanced font 'sans,13'\n", plot_width(view),
             plot->height(view));
  print_colors(sink);
  print_look(sink);
  sink_print(sink, "unset key\n");
  for (size_t i = 0; i < PLOT_DATA_MAX && plot->data[i]; i++) {
    sink_print(sink, "$%s << END\n", plot->data[i]->name);
    plot->data[i]->emit(sink, view);
    sink_print(sink, "END\n");
  }
  plot->settings(sink, view);
  plot->curves(sink, view);
}
