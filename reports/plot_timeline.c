/* Live bytes over time: categories stacked, the phases of steps above them, and over it what few-bit codes would have left. */
#include "reports/format.h"
#include "reports/palette.h"
#include "reports/plots.h"

#include <inttypes.h>
#include <stdio.h>

/* More points than pixels say nothing more, and make a page heavy. More phases than some pixels wide cannot be told apart. */
enum { POINTS = 640, POINTS_NARROW = 260, PHASES = 160, PHASES_NARROW = 40, MARKS = 12, MARKS_NARROW = 5 };

static bool has(const struct plot_view *view) {
  return view->facts->timeline_count > 1;
}

static unsigned height(const struct plot_view *view) {
  return view->narrow ? 300 : 380;
}

/* ---- data -------------------------------------------------------------------------------------------------------- */

/* A sample whose categories are not known has at least what is saved. */
static uint64_t category_bytes(const struct facts_sample *sample, enum category category) {
  uint64_t sum = 0;
  for (size_t i = 0; i < CATEGORY_COUNT; i++) {
    sum += sample->categories[i];
  }
  if (sum == sample->live_bytes) {
    return sample->categories[category];
  }
  const uint64_t saved = sample->saved_bytes < sample->live_bytes ? sample->saved_bytes : sample->live_bytes;
  return category == CATEGORY_SAVED_ACTIVATION ? saved : category == CATEGORY_OTHER ? sample->live_bytes - saved : 0;
}

static bool is_present(const struct facts *facts, enum category category) {
  for (size_t i = 0; i < facts->timeline_count; i++) {
    if (category_bytes(&facts->timeline[i], category)) {
      return true;
    }
  }
  return false;
}

static void emit_point(struct sink *sink, const struct facts_sample *sample, const uint64_t *few_bit) {
  sink_print(sink, "%.9g\t%" PRIu64, (double)sample->time_ns / 1e9, sample->live_bytes);
  for (size_t i = 0; i < CATEGORY_COUNT; i++) {
    sink_print(sink, "\t%" PRIu64, category_bytes(sample, palette_stack[i]));
  }
  if (few_bit) {
    sink_print(sink, "\t%" PRIu64, *few_bit);
  }
  sink_print(sink, "\n");
}

/* Of neighbours the one with the highest level stands for all. */
static void emit_timeline(struct sink *sink, const struct plot_view *view) {
  const struct facts *facts = view->facts;
  const size_t count = facts->timeline_count, most = view->narrow ? POINTS_NARROW : POINTS,
               points = view->files || count < most ? count : most;
  sink_print(sink, "time_s\tlive_bytes");
  for (size_t i = 0; i < CATEGORY_COUNT; i++) {
    sink_print(sink, "\t%s", category_names[palette_stack[i]]);
  }
  sink_print(sink, "%s\n", view->few_bit_levels ? "\tfew_bit_bytes" : "");
  for (size_t i = 0; i < points; i++) {
    const size_t begin = i * count / points, end = (i + 1) * count / points;
    size_t highest = begin, few = begin;
    for (size_t j = begin; j < end; j++) {
      highest = facts->timeline[j].live_bytes > facts->timeline[highest].live_bytes ? j : highest;
      few = view->few_bit_levels && view->few_bit_levels[j] > view->few_bit_levels[few] ? j : few;
    }
    emit_point(sink, &facts->timeline[highest], view->few_bit_levels ? &view->few_bit_levels[few] : NULL);
  }
}

static const struct plot_data data = {"timeline", emit_timeline};

/* ---- script ------------------------------------------------------------------------------------------------------ */

static uint64_t highest_of(const struct plot_view *view) {
  uint64_t highest = 1;
  for (size_t i = 0; i < view->facts->timeline_count; i++) {
    const uint64_t few = view->few_bit_levels ? view->few_bit_levels[i] : 0, live = view->facts->timeline[i].live_bytes;
    highest = live > highest ? live : highest;
    highest = few > highest ? few : highest;
  }
  return highest;
}

static bool has_phases(const struct plot_view *view) {
  const size_t most = view->narrow ? PHASES_NARROW : PHASES;
  return view->facts->steps_count && view->facts->steps_count <= most;
}

/* 1, 2, 5, 10, ...: the least that leaves `most` of count. */
static size_t round_share(size_t count, size_t most) {
  size_t each = 1;
  for (size_t i = 0; count / each > most; i++) {
    each = i % 3 == 1 ? each / 2 * 5 : each * 2;
  }
  return each;
}

/* Steps' numbers at their begin, round ones, as many as there is room for. One that began before the first sample has its mark
 * there. */
static void print_marks(struct sink *sink, const struct plot_view *view) {
  const struct facts *facts = view->facts;
  const size_t most = view->narrow ? MARKS_NARROW : MARKS, each = round_share(facts->steps_count, most);
  const uint64_t first = facts->timeline[0].time_ns, last = facts->timeline[facts->timeline_count - 1].time_ns,
                 apart = (last - first) / (2 * most);
  uint64_t before = 0;
  bool any = false;
  sink_print(sink, "set x2tics (");
  for (size_t i = 0; i < facts->steps_count; i++) {
    const uint64_t begin = facts->steps[i].begin_ns > first ? facts->steps[i].begin_ns : first;
    if ((!any || facts->steps[i].index % each == 0) && (!any || begin >= before + apart)) {
      sink_print(sink, "%s'%s%u' %.9g/unit_time", any ? ", " : "", any ? "" : "step ", facts->steps[i].index,
                 (double)begin / 1e9);
      before = begin;
      any = true;
    }
  }
  sink_print(sink, ") scale 0.5\nset grid x2tics\n");
}

static void print_peak(struct sink *sink, const struct plot_view *view) {
  const struct facts *facts = view->facts;
  const uint64_t begin = facts->timeline[0].time_ns, end = facts->timeline[facts->timeline_count - 1].time_ns,
                 time = facts->peak.time_ns;
  char bytes[FORMAT_SIZE];
  if (time < begin || time > end) {
    return;
  }
  const double place = (double)(time - begin) / (double)(end - begin + 1);
  sink_print(sink,
             "set label 1 'peak %s' at %.9g/unit_time, %" PRIu64 "/unit %s offset %g,0.7 tc rgb color_ink point pt 7 "
             "ps 0.5 lc rgb color_ink front\n",
             format_bytes(bytes, facts->peak.bytes), (double)time / 1e9, facts->peak.bytes,
             place < 0.2   ? "left"
             : place > 0.8 ? "right"
                           : "center",
             place < 0.2   ? -0.5
             : place > 0.8 ? 0.5
                           : 0);
}

static void settings(struct sink *sink, const struct plot_view *view) {
  const struct facts *facts = view->facts;
  const uint64_t highest = highest_of(view), end = facts->timeline[facts->timeline_count - 1].time_ns;
  const char *unit = plot_unit(sink, highest), *unit_time = plot_time_unit(sink, end);
  sink_print(sink, "highest = %" PRIu64 "/unit\nset xlabel 'time into the run (%s)'\nset ylabel '%s'\n", highest,
             unit_time, unit);
  sink_print(sink, "set xrange [%.9g/unit_time:%.9g/unit_time]\nset x2range [%.9g/unit_time:%.9g/unit_time]\n",
             (double)facts->timeline[0].time_ns / 1e9, (double)end / 1e9, (double)facts->timeline[0].time_ns / 1e9,
             (double)end / 1e9);
  sink_print(sink, "set yrange [0:highest * %s]\n", has_phases(view) ? "1.22" : "1.12");
  if (facts->steps_count) {
    print_marks(sink, view);
  }
  print_peak(sink, view);
  if (view->files) {
    sink_print(sink, "set key outside right top vertical reverse Left\n");
  }
}

/* The phases of every step: a band above the highest level. */
static void print_phases(struct sink *sink, const struct plot_view *view) {
  static const struct {
    const char *name, *begin, *end;
  } phases[] = {{"forward", "begin_s", "backward_s"},
                {"backward", "backward_s", "backward_end_s"},
                {"update", "backward_end_s", "end_s"}};
  for (size_t i = 0; has_phases(view) && i < 3; i++) {
    sink_print(sink, ", \\\n  ");
    plot_source(sink, view, &plot_data_steps);
    sink_print(sink,
               " using ((column('%s') + column('%s'))/2/unit_time):(highest*1.18):(column('%s')/unit_time):"
               "(column('%s')/unit_time):(highest*1.16):(highest*1.2) with boxxyerror lc rgb color_%s title '%s'",
               phases[i].begin, phases[i].end, phases[i].begin, phases[i].end, phases[i].name, phases[i].name);
  }
}

static void curves(struct sink *sink, const struct plot_view *view) {
  char name[PLOT_CATEGORY_SIZE];
  bool any = false;
  sink_print(sink, "plot ");
  for (size_t i = CATEGORY_COUNT; i-- > 0;) { /* each hides what is below it, down to zero */
    const enum category category = palette_stack[i];
    if (!is_present(view->facts, category)) {
      continue;
    }
    sink_print(sink, any ? ", \\\n  " : "");
    plot_source(sink, view, &data);
    sink_print(
        sink, " using ($1/unit_time):((sum[c=3:%zu] column(c))/unit) with filledcurves y1=0 lc rgb color_%s title '%s'",
        i + 3, palette[category].name, plot_category(name, category));
    any = true;
  }
  if (!any) {
    plot_source(sink, view, &data);
    sink_print(sink, " using ($1/unit_time):($2/unit) with lines lc rgb color_other title 'live'");
  }
  if (view->few_bit_levels) { /* with an edge, to stand out from any colour */
    sink_print(sink, ", \\\n  ");
    plot_source(sink, view, &data);
    sink_print(sink, " using ($1/unit_time):($11/unit) with lines lw 3 lc rgb color_paper notitle, \\\n  ");
    plot_source(sink, view, &data);
    sink_print(sink,
               " using ($1/unit_time):($11/unit) with lines lw 1.2 lc rgb color_ink title 'with %u-bit gradients'",
               view->few_bit->bits);
  }
  print_phases(sink, view);
  sink_print(sink, "\n");
}

static void describe(struct sink *sink, const struct plot_view *view) {
  const struct facts *facts = view->facts;
  const uint64_t begin = facts->timeline[0].time_ns, end = facts->timeline[facts->timeline_count - 1].time_ns;
  char bytes[FORMAT_SIZE], few[FORMAT_SIZE], time[FORMAT_SIZE];
  sink_print(sink, "Live heap bytes over time");
  if (begin > end / 100) { /* a part of the run */
    sink_print(sink, ", from %s", format_duration(time, begin));
  }
  sink_print(sink, " to %s into the run, stacked by category; the highest is %s.", format_duration(time, end),
             format_bytes(bytes, highest_of(view)));
  if (view->few_bit) {
    sink_print(sink, " A line over it is what %u-bit gradients would have left: %s at the most.", view->few_bit->bits,
               format_bytes(few, view->few_bit->peak_bytes));
  }
  if (facts->steps_count) {
    sink_print(sink, " Marks show where %zu step%s begin%s.", facts->steps_count, facts->steps_count == 1 ? "" : "s",
               facts->steps_count == 1 ? "s" : "");
  }
}

/* From the top of the stack down. */
static size_t legend(const struct plot_view *view, struct plot_legend items[static PLOT_LEGEND_MAX]) {
  char text[PLOT_LEGEND_SIZE];
  size_t count = 0;
  for (size_t i = CATEGORY_COUNT; i-- > 0;) {
    const enum category category = palette_stack[i];
    if (is_present(view->facts, category)) {
      plot_legend_add(items, &count, palette[category].name, plot_category(text, category), false);
    }
  }
  if (view->few_bit_levels) {
    snprintf(text, sizeof text, "with %u-bit gradients", view->few_bit->bits);
    plot_legend_add(items, &count, "ink", text, true);
  }
  for (size_t i = PALETTE_FORWARD; has_phases(view) && i <= PALETTE_UPDATE; i++) {
    plot_legend_add(items, &count, palette[i].name, palette[i].name, false);
  }
  return count;
}

const struct plot plot_timeline = {
    "timeline", "Live bytes over time, by category", {&data, &plot_data_steps}, has, height, settings, curves, describe,
    legend};
