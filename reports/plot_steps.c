/* The peak of every step, and what it saved for backward. */
#include "reports/format.h"
#include "reports/plots.h"

#include <inttypes.h>

enum { MARKS_EACH = 10 };

static bool has(const struct plot_view *view) {
  return view->facts->steps_count > 1;
}

static unsigned height(const struct plot_view *view) {
  return view->narrow ? 240 : 280;
}

static void emit_steps(struct sink *sink, const struct plot_view *view) {
  sink_print(sink,
             "step\tbegin_s\tbackward_s\tbackward_end_s\tend_s\tpeak_bytes\tsaved_bytes\tsaved_blocks\tcomplete\n");
  for (size_t i = 0; i < view->facts->steps_count; i++) {
    const struct facts_step *step = &view->facts->steps[i];
    sink_print(sink, "%u\t%.9g\t%.9g\t%.9g\t%.9g\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%d\n", step->index,
               (double)step->begin_ns / 1e9, (double)step->backward_ns / 1e9, (double)step->backward_end_ns / 1e9,
               (double)step->end_ns / 1e9, step->peak_bytes, step->saved_bytes, step->saved_blocks, step->complete);
  }
}

const struct plot_data plot_data_steps = {"steps", emit_steps};

static uint64_t highest_of(const struct facts *facts) {
  uint64_t highest = 1;
  for (size_t i = 0; i < facts->steps_count; i++) {
    highest = facts->steps[i].peak_bytes > highest ? facts->steps[i].peak_bytes : highest;
    highest = facts->steps[i].saved_bytes > highest ? facts->steps[i].saved_bytes : highest;
  }
  return highest;
}

static void settings(struct sink *sink, const struct plot_view *view) {
  const char *unit = plot_unit(sink, highest_of(view->facts));
  const struct facts *facts = view->facts;
  sink_print(sink, "set xlabel 'step'\nset ylabel '%s'\nset yrange [0:%" PRIu64 "/unit*1.1]\nset xrange [%g:%g]\n",
             unit, highest_of(facts), facts->steps[0].index - 0.5, facts->steps[facts->steps_count - 1].index + 0.5);
  if (facts->steps_count <= MARKS_EACH) { /* there is no half a step */
    sink_print(sink, "set xtics 1\n");
  }
  if (view->files) {
    sink_print(sink, "set key outside right top vertical reverse Left\n");
  }
}

static void curves(struct sink *sink, const struct plot_view *view) {
  const char *style = view->facts->steps_count <= 60 ? "linespoints pt 7 ps 0.5" : "lines";
  sink_print(sink, "plot ");
  plot_source(sink, view, &plot_data_steps);
  sink_print(sink,
             " using 'step':(column('peak_bytes')/unit) with %s lw 1.6 lc rgb color_parameter title 'peak', \\\n  ",
             style);
  plot_source(sink, view, &plot_data_steps);
  sink_print(sink,
             " using 'step':(column('saved_bytes')/unit) with %s lw 1.6 lc rgb color_saved_activation title 'saved for "
             "backward'\n",
             style);
}

static void describe(struct sink *sink, const struct plot_view *view) {
  char bytes[FORMAT_SIZE];
  sink_print(sink, "The peak of each of %zu steps, %s at the most, and the bytes that it saved for backward.",
             view->facts->steps_count, format_bytes(bytes, highest_of(view->facts)));
}

static size_t legend(const struct plot_view *view, struct plot_legend items[static PLOT_LEGEND_MAX]) {
  size_t count = 0;
  (void)view;
  plot_legend_add(items, &count, "parameter", "peak", true);
  plot_legend_add(items, &count, "saved_activation", "saved for backward", true);
  return count;
}

const struct plot plot_steps = {
    "steps", "Peak and saved bytes of every step", {&plot_data_steps}, has, height, settings, curves, describe, legend};
