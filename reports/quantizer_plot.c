/* A quantizer as a plot. */
#include "reports/gnuplot.h"
#include "reports/palette.h"
#include "reports/quantizer_view.h"

#include <math.h>
#include <stdio.h>

enum { SAMPLES = 1200 };

struct span {
  double low, high;
};

/* Where something is to be seen: the support, less the far tails of a normal weight, and every breakpoint. */
static struct span span_of(const struct quantizer *quantizer, const struct weight *weight) {
  struct span span;
  unsigned last = quantizer->intervals - 1;
  weight_support(weight, &span.low, &span.high);
  if (weight->kind == WEIGHT_NORMAL) {
    span = (struct span){weight->a - 5 * weight->b, weight->a + 5 * weight->b};
  }
  if (last) {
    span.low = fmin(span.low, quantizer->breakpoints_exact[0] - 1);
    span.high = fmax(span.high, quantizer->breakpoints_exact[last - 1] + 1);
  }
  return span;
}

static void print_derivative(struct sink *sink, const struct function *function, struct span span) {
  sink_print(sink, "$derivative << END\n");
  for (int i = 0; i <= SAMPLES; i++) {
    double x = span.low + (span.high - span.low) * i / SAMPLES;
    sink_print(sink, "%.9g %.9g\n", x, function_derivative(function, x));
  }
  sink_print(sink, "END\n");
}

static void print_levels(struct sink *sink, const struct quantizer *quantizer, struct span span) {
  sink_print(sink, "$levels << END\n%.9g %.9g\n", span.low, quantizer->levels_exact[quantizer->codes[0]]);
  for (unsigned i = 0; i + 1 < quantizer->intervals; i++) {
    double x = quantizer->breakpoints_exact[i];
    sink_print(sink, "%.9g %.9g\n%.9g %.9g\n", x, quantizer->levels_exact[quantizer->codes[i]], x,
               quantizer->levels_exact[quantizer->codes[i + 1]]);
  }
  sink_print(sink, "%.9g %.9g\nEND\n", span.high, quantizer->levels_exact[quantizer->codes[quantizer->intervals - 1]]);
}

static void print_difference(struct sink *sink, const struct quantizer *quantizer, const struct function *function,
                             struct span span) {
  unsigned interval = 0;
  sink_print(sink, "$difference << END\n");
  for (int i = 0; i <= SAMPLES; i++) {
    double x = span.low + (span.high - span.low) * i / SAMPLES;
    while (interval + 1 < quantizer->intervals && x >= quantizer->breakpoints_exact[interval]) {
      interval++;
    }
    sink_print(sink, "%.9g %.9g\n", x,
               function_derivative(function, x) - quantizer->levels_exact[quantizer->codes[interval]]);
  }
  sink_print(sink, "END\n");
}

/* A name is no markup: "noenhanced" keeps the underscore of leaky_relu. */
static void print_title(struct sink *sink, const struct quantizer *quantizer) {
  char title[FUNCTION_NAME_SIZE + 80];
  snprintf(title, sizeof title, "%s, %u bit%s, %s: error %.4g", quantizer->name, quantizer->bits,
           quantizer->bits > 1 ? "s" : "", quantizer_method_name(quantizer->method), quantizer->error);
  sink_print(sink, "set title ");
  gnuplot_quote(sink, title);
  sink_print(sink, " noenhanced\n");
}

void quantizer_plot_emit(struct sink *sink, const struct quantizer *quantizer, const struct function *function,
                         const struct weight *weight) {
  struct span span = span_of(quantizer, weight);
  print_derivative(sink, function, span);
  print_levels(sink, quantizer, span);
  print_difference(sink, quantizer, function, span);
  sink_print(
      sink,
      "set multiplot layout 2,1\nset xrange [%.9g:%.9g]\nset grid lt 1 lc rgb '#dddddd'\nset lmargin 9\nset key above "
      "right\n",
      span.low, span.high);
  print_title(sink, quantizer);
  sink_print(sink,
             "set offsets graph 0, 0, 0.05, 0.05\n"
             "plot $derivative with lines lw 2 lc rgb '%s' title \"derivative\", "
             "$levels with lines lw 2 lc rgb '%s' title \"levels\"\n"
             "set title \"what the levels miss\"\nset xlabel \"x\"\n"
             "plot $difference with filledcurves y=0 lc rgb '%s' notitle\nunset multiplot\n",
             palette_curve(2), palette_curve(0), palette_curve(1));
}
