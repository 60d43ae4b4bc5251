/* How far few-bit gradients are from exact ones, by bits, on a logarithmic scale. */
#include "reports/figures.h"
#include "reports/plots.h"

#include <math.h>

/* A cosine nearer to 1 than float32 can tell is drawn there. */
static const double floor_shortfall = 1e-8;

static bool has(const struct plot_view *view) {
  return view->gradients && view->gradients->count;
}

static unsigned height(const struct plot_view *view) {
  return view->narrow ? 260 : 300;
}

static void emit_shortfall(struct sink *sink, double cosine) {
  if (isfinite(cosine)) {
    sink_print(sink, "\t%.9g\t%.9g", cosine, fmax(1 - cosine, floor_shortfall));
  } else {
    sink_print(sink, "\tNaN\tNaN");
  }
}

static void emit_gradients(struct sink *sink, const struct plot_view *view) {
  char text[FORMAT_SIZE];
  sink_print(sink, "bits\tmin_cosine\tmin_shortfall\tmean_cosine\tmean_shortfall\tleast\n");
  for (size_t i = 0; i < view->gradients->count; i++) {
    const struct gradients_width *width = &view->gradients->widths[i];
    sink_print(sink, "%u", width->bits);
    emit_shortfall(sink, width->min_cosine);
    emit_shortfall(sink, width->mean_cosine);
    sink_print(sink, "\t%s\n", format_cosine(text, width->min_cosine));
  }
}

static const struct plot_data data = {"gradients", emit_gradients};

static void settings(struct sink *sink, const struct plot_view *view) {
  const struct gradients *gradients = view->gradients;
  sink_print(sink, "set xlabel 'bits'\nset ylabel '1 - cosine'\nset logscale y\nset format y '%%.0e'\nset xtics 1\n");
  sink_print(sink, "set xrange [%u.5:%u.5]\nset offsets 0, 0, graph 0.15, graph 0.05\n", gradients->widths[0].bits - 1,
             gradients->widths[gradients->count - 1].bits);
  if (view->files) {
    sink_print(sink, "set key outside right top vertical reverse Left\n");
  }
}

static void curves(struct sink *sink, const struct plot_view *view) {
  sink_print(sink, "plot ");
  plot_source(sink, view, &data);
  sink_print(sink, " using 1:3 with linespoints lw 2.4 pt 7 ps 1 lc rgb color_temporary title 'the farthest', \\\n  ");
  plot_source(sink, view, &data);
  sink_print(sink, " using 1:5 with linespoints lw 1.2 pt 7 ps 0.5 lc rgb color_parameter title 'on average', \\\n  ");
  plot_source(sink, view, &data);
  sink_print(sink, " using 1:3:6 with labels offset 0,1 tc rgb color_ink notitle\n");
}

static void describe(struct sink *sink, const struct plot_view *view) {
  char text[FORMAT_SIZE];
  sink_print(sink, "The least cosine between few-bit and exact gradients");
  for (size_t i = 0; i < view->gradients->count; i++) {
    const struct gradients_width *width = &view->gradients->widths[i];
    sink_print(sink, "%s %s at %u bit%s", i ? "," : ":", format_cosine(text, width->min_cosine), width->bits,
               width->bits == 1 ? "" : "s");
  }
  sink_print(sink, ".");
}

static size_t legend(const struct plot_view *view, struct plot_legend items[static PLOT_LEGEND_MAX]) {
  size_t count = 0;
  (void)view;
  plot_legend_add(items, &count, "temporary", "the farthest", true);
  plot_legend_add(items, &count, "parameter", "on average", true);
  return count;
}

const struct plot plot_gradients = {
    "gradients", "Few-bit gradients against exact ones", {&data}, has, height, settings, curves, describe, legend};
