/* A check of gradients as a plot: how far each row's cosine is from 1, on a logarithmic scale. */
#include "reports/gnuplot.h"
#include "reports/palette.h"
#include "reports/verify_view.h"

#include <math.h>

/* A cosine of exactly 1, or nearer than float32 can tell, is drawn at the floor. */
static const double shortfall_floor = 1e-8;

static double shortfall(double cosine) {
  return isnan(cosine) ? 1 : fmax(1 - cosine, shortfall_floor);
}

static void print_data(struct sink *sink, const char *name, const struct verify_width *width,
                       const struct verify_rows *rows) {
  sink_print(sink, "$%s%u << END\n", name, width->bits);
  for (size_t i = 0; i < rows->count; i++) {
    sink_print(sink, "%zu %.9g %.9g\n", i + 1, shortfall(rows->rows[i].gradient.cosine),
               fmax(rows->rows[i].gradient.relative_error, sqrt(shortfall_floor)));
  }
  sink_print(sink, "END\n");
}

static void print_curves(struct sink *sink, const struct verify_result *result, const char *name, int column) {
  sink_print(sink, "plot ");
  for (size_t i = 0; i < result->widths_count; i++) {
    sink_print(sink, "%s$%s%u using 1:%d with linespoints pt 7 ps 0.4 lc rgb '%s' title '%u bit%s'", i ? ", " : "",
               name, result->widths[i].bits, column, palette_curve(i), result->widths[i].bits,
               result->widths[i].bits > 1 ? "s" : "");
  }
  sink_print(sink, "\n");
}

static bool has_parameters(const struct verify_view *view) {
  return view->subject == VERIFY_MODEL || view->subject == VERIFY_TORCH;
}

void verify_plot_emit(struct sink *sink, const struct verify_view *view, const struct verify_result *result) {
  const bool trained = result->widths_count && result->widths[0].trained.count;
  const size_t rows = result->widths_count ? result->widths[0].start.count : 0;
  for (size_t i = 0; i < result->widths_count; i++) {
    print_data(sink, "start", &result->widths[i], &result->widths[i].start);
    if (trained) {
      print_data(sink, "trained", &result->widths[i], &result->widths[i].trained);
    }
  }
  sink_print(sink,
             "set multiplot layout 2,1\nset logscale y\nset format y '%%.0e'\nset grid lt 1 lc rgb '#dddddd'\n"
             "set lmargin 10\nset key outside right\nset xrange [0:%zu]\n",
             rows + 1);
  sink_print(sink, "set title ");
  gnuplot_quote(sink, view->subject == VERIFY_RUN ? "run" : view->name);
  sink_print(sink, ".': few-bit against exact gradients, by %s' noenhanced\nset ylabel '1 - cosine'\n",
             has_parameters(view) ? "parameter" : "activation");
  print_curves(sink, result, "start", 2);
  if (trained) {
    sink_print(sink, "set title \"after %zu steps\"\n", result->steps);
  } else {
    sink_print(sink, "set title \"\"\nset ylabel 'relative error'\n");
  }
  sink_print(sink, "set xlabel 'number of the %s'\n", has_parameters(view) ? "parameter" : "activation");
  print_curves(sink, result, trained ? "trained" : "start", trained ? 2 : 3);
  sink_print(sink, "unset multiplot\n");
}
