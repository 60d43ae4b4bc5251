/* The peak now, and with codes of few bits. */
#include "reports/format.h"
#include "reports/plots.h"
#include "reports/summary.h"

#include <inttypes.h>
#include <stdio.h>

static bool has(const struct plot_view *view) {
  return view->facts->projections_count && summary_has_evidence(view->facts) && view->facts->peak.bytes;
}

static unsigned height(const struct plot_view *view) {
  return view->narrow ? 260 : 300;
}

static void emit_row(struct sink *sink, const char *label, uint64_t peak, int64_t saving, const char *percent) {
  char bytes[FORMAT_SIZE];
  sink_print(sink, "%s\t%" PRIu64 "\t%" PRId64 "\t%s\t%s\n", label, peak, saving, format_bytes(bytes, peak), percent);
}

static void emit_savings(struct sink *sink, const struct plot_view *view) {
  const struct facts *facts = view->facts;
  sink_print(sink, "bits\tpeak_bytes\tsaving_bytes\tpeak\tchange\n");
  emit_row(sink, "now", facts->peak.bytes, 0, "-");
  for (size_t i = 0; i < facts->projections_count; i++) {
    const struct facts_projection *p = &facts->projections[i];
    char label[24], percent[32];
    snprintf(label, sizeof label, "%u bit%s", p->bits, p->bits == 1 ? "" : "s");
    snprintf(percent, sizeof percent, "%+.1f%%", -p->saving_percent);
    emit_row(sink, label, p->peak_bytes, p->saving_bytes, percent);
  }
}

static const struct plot_data data = {"savings", emit_savings};

static uint64_t highest_of(const struct facts *facts) {
  uint64_t highest = facts->peak.bytes;
  for (size_t i = 0; i < facts->projections_count; i++) {
    highest = facts->projections[i].peak_bytes > highest ? facts->projections[i].peak_bytes : highest;
  }
  return highest;
}

static void settings(struct sink *sink, const struct plot_view *view) {
  const char *unit = plot_unit(sink, highest_of(view->facts));
  sink_print(sink, "set ylabel 'peak (%s)'\nset yrange [0:%" PRIu64 "/unit*1.25]\n", unit, highest_of(view->facts));
  sink_print(sink, "set xrange [-0.6:%zu.6]\nset boxwidth 0.62\nset xtics scale 0\nunset key\n",
             view->facts->projections_count);
}

/* Bars begin at zero: what is saved shows in its true proportion to the peak. Where there is little room, the peaks' figures
 * are left to the table. */
static void curves(struct sink *sink, const struct plot_view *view) {
  enum { PEAK_FIGURES = 3 };
  static const char *const parts[] = {
      " using 0:($0 == 0 ? $2/unit : NaN):xtic(1) with boxes lc rgb color_backward, \\\n  ",
      " using 0:($0 == 0 ? NaN : $2/unit) with boxes lc rgb color_few_bit, \\\n  ",
      " using 0:($0 == 0 ? $2/unit : NaN):4 with labels offset 0,0.7 tc rgb color_ink, \\\n  ",
      " using 0:($0 == 0 ? NaN : $2/unit):4 with labels offset 0,1.7 tc rgb color_ink, \\\n  ",
      " using 0:($0 == 0 ? NaN : $2/unit):5 with labels offset 0,0.7 tc rgb color_ink\n"};
  sink_print(sink, "plot ");
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (i != PEAK_FIGURES || !view->narrow) {
      plot_source(sink, view, &data);
      sink_print(sink, "%s", parts[i]);
    }
  }
}

static void describe(struct sink *sink, const struct plot_view *view) {
  const struct facts *facts = view->facts;
  char bytes[FORMAT_SIZE];
  sink_print(sink, "Bars: the peak is %s now", format_bytes(bytes, facts->peak.bytes));
  for (size_t i = 0; i < facts->projections_count; i++) {
    const struct facts_projection *p = &facts->projections[i];
    sink_print(sink, ", %s at %u bit%s", format_bytes(bytes, p->peak_bytes), p->bits, p->bits == 1 ? "" : "s");
  }
  sink_print(sink, ".");
}

const struct plot plot_savings = {
    "savings", "Peak with codes of few bits", {&data}, has, height, settings, curves, describe, NULL};
