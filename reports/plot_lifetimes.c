/* The lifetimes of the largest saved blocks of one step: a line from a block's allocation to its end, a bar from the first
 * save to the last release. */
#include "reports/format.h"
#include "reports/groups.h"
#include "reports/plots.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
  ROWS = 40,
  ROWS_NARROW = 20,
  ROW_HEIGHT = 17,
  FRAME_HEIGHT = 90,
  KEY_HEIGHT = 60,
  LABEL = 44,
  LABEL_NARROW = 20,
  LABEL_SIZE = 400
};

static bool has(const struct plot_view *view) {
  return view->facts->saved_count && view->facts->saved_step >= 0;
}

static size_t rows_of(const struct plot_view *view) {
  const size_t most = view->narrow ? ROWS_NARROW : ROWS;
  return view->facts->saved_count < most ? view->facts->saved_count : most;
}

static unsigned height(const struct plot_view *view) {
  return (unsigned)(FRAME_HEIGHT + ROW_HEIGHT * rows_of(view) + (view->files ? KEY_HEIGHT : 0));
}

/* NULL: a selection of times left the step out. */
static const struct facts_step *step_of(const struct facts *facts) {
  for (size_t i = 0; i < facts->steps_count; i++) {
    if ((int)facts->steps[i].index == facts->saved_step) {
      return &facts->steps[i];
    }
  }
  return NULL;
}

/* ---- data -------------------------------------------------------------------------------------------------------- */

struct lifetime {
  uint64_t save, release, end; /* ns since the trace began */
};

/* What was not seen to end ends with the run. */
static struct lifetime lifetime_of(const struct facts *facts, const struct facts_saved_block *block) {
  const uint64_t end = block->free_ns < facts->run.wall_ns ? block->free_ns : facts->run.wall_ns;
  struct lifetime times = {UINT64_MAX, 0, end};
  for (size_t i = 0; i < block->holders_count; i++) {
    const struct facts_holder *holder = &block->holders[i];
    const uint64_t release = holder->release_ns < end ? holder->release_ns : end;
    times.save = holder->save_ns < times.save ? holder->save_ns : times.save;
    times.release = release > times.release ? release : times.release;
  }
  times.save = times.save == UINT64_MAX ? block->alloc_ns : times.save;
  return times;
}

static int by_bytes(const void *a, const void *b) {
  const struct facts_saved_block *x = *(const struct facts_saved_block *const *)a,
                                 *y = *(const struct facts_saved_block *const *)b;
  return x->bytes != y->bytes ? (x->bytes < y->bytes ? 1 : -1) : x < y ? -1 : x > y;
}

static int by_save(const void *a, const void *b, void *facts) {
  const struct facts_saved_block *x = *(const struct facts_saved_block *const *)a,
                                 *y = *(const struct facts_saved_block *const *)b;
  const uint64_t first = lifetime_of(facts, x).save, second = lifetime_of(facts, y).save;
  return first != second ? (first < second ? -1 : 1) : x < y ? -1 : x > y;
}

/* The largest blocks, in the order in which they were saved; to be freed, NULL: no memory. */
static const struct facts_saved_block **largest(const struct plot_view *view) {
  const struct facts *facts = view->facts;
  const struct facts_saved_block **order = calloc(facts->saved_count + 1, sizeof(struct facts_saved_block *));
  for (size_t i = 0; order && i < facts->saved_count; i++) {
    order[i] = &facts->saved[i];
  }
  if (order) {
    qsort(order, facts->saved_count, sizeof *order, by_bytes);
    qsort_r(order, rows_of(view), sizeof *order, by_save, (void *)facts);
  }
  return order;
}

/* "8.0 MiB gelu blocks.0.mlp.1"; where there is little room without the layer. */
static void emit_label(struct sink *sink, const struct plot_view *view, const struct facts_saved_block *block) {
  char text[LABEL_SIZE], holders[160], bytes[FORMAT_SIZE];
  groups_holders(block, holders, sizeof holders);
  snprintf(text, sizeof text, "%s %s%s%.150s", format_bytes(bytes, block->bytes), holders,
           view->narrow || !block->layer[0] ? "" : "  ", view->narrow ? "" : block->layer);
  char *fitted = format_fit(text, view->narrow ? LABEL_NARROW : LABEL, true);
  if (fitted) {
    plot_field(sink, fitted);
  } else {
    sink_fail(sink, ENOMEM);
  }
  free(fitted);
}

static double since(uint64_t time, uint64_t begin) {
  return ((double)time - (double)begin) / 1e9;
}

static void emit_lifetimes(struct sink *sink, const struct plot_view *view) {
  const struct facts_saved_block **blocks = largest(view);
  const struct facts_step *step = step_of(view->facts);
  const uint64_t begin = step ? step->begin_ns : 0;
  sink_print(sink, "row\tblock\tbytes\talloc_s\tsave_s\trelease_s\tend_s\teligible\n");
  for (size_t i = 0; blocks && i < rows_of(view); i++) {
    const struct lifetime times = lifetime_of(view->facts, blocks[i]);
    sink_print(sink, "%zu\t", i);
    emit_label(sink, view, blocks[i]);
    sink_print(sink, "\t%" PRIu64 "\t%.9g\t%.9g\t%.9g\t%.9g\t%d\n", blocks[i]->bytes, since(blocks[i]->alloc_ns, begin),
               since(times.save, begin), since(times.release, begin), since(times.end, begin), blocks[i]->eligible);
  }
  if (!blocks) {
    sink_fail(sink, ENOMEM);
  }
  free(blocks);
}

static const struct plot_data data = {"lifetimes", emit_lifetimes};

/* ---- script ------------------------------------------------------------------------------------------------------ */

static void print_bound(struct sink *sink, double at) {
  sink_print(sink, "set arrow from %.9g/unit_time, graph 0 to %.9g/unit_time, graph 1 nohead lw 0.8 lc rgb color_ink\n",
             at, at);
}

/* The phases' names above the frame, if they are wide enough to be read. */
static void print_phases(struct sink *sink, const struct plot_view *view, const struct facts_step *step) {
  const uint64_t bounds[] = {step->begin_ns, step->backward_ns, step->backward_end_ns, step->end_ns};
  static const char *const names[] = {"forward", "backward", "update"};
  const double length = since(step->end_ns, step->begin_ns);
  for (int i = 0; i < 3; i++) {
    const double begin = since(bounds[i], step->begin_ns), end = since(bounds[i + 1], step->begin_ns);
    if (end <= begin || end > length) {
      continue;
    }
    if (end - begin > length * (view->narrow ? 0.25 : 0.1)) {
      sink_print(sink, "set label '%s' at %.9g/unit_time, graph 1 center offset 0,0.6 tc rgb color_ink\n", names[i],
                 (begin + end) / 2);
    }
    if (i < 2) {
      print_bound(sink, end);
    }
  }
}

static void settings(struct sink *sink, const struct plot_view *view) {
  const struct facts *facts = view->facts;
  const struct facts_step *step = step_of(facts);
  const uint64_t length = step && step->end_ns > step->begin_ns ? step->end_ns - step->begin_ns : facts->run.wall_ns;
  const char *unit_time = plot_time_unit(sink, length);
  sink_print(sink, "set xlabel 'time into step %d (%s)'\n", facts->saved_step, unit_time);
  sink_print(sink, "set xrange [0:%.9g/unit_time]\nset yrange [%zu:-1]\n", (double)length / 1e9, rows_of(view));
  sink_print(
      sink,
      "set ytics scale 0\nset border 1\nset tmargin 2\nunset grid\nset grid xtics lt 1 lw 0.6 lc rgb color_grid\n");
  if (step) {
    print_phases(sink, view, step);
  }
  if (view->files) { /* one below the other: terminals measure text each in its way, and gnuplot counts no axis title */
    sink_print(sink, "set bmargin 7\nset key at screen 0.5, screen 0.01 bottom center vertical reverse Left\n");
  }
}

static void print_bars(struct sink *sink, const struct plot_view *view, int eligible, const char *color,
                       const char *title) {
  sink_print(sink, ", \\\n  ");
  plot_source(sink, view, &data);
  sink_print(sink,
             " using ($8 == %d ? ($5+$6)/2/unit_time : NaN):1:($5/unit_time):($6/unit_time):($1-0.36):($1+0.36)"
             " with boxxyerror lc rgb color_%s title '%s'",
             eligible, color, title);
}

static void curves(struct sink *sink, const struct plot_view *view) {
  sink_print(sink, "plot ");
  plot_source(sink, view, &data);
  sink_print(
      sink, " using ($4/unit_time):1:(($7-$4)/unit_time):(0):ytic(2) with vectors nohead lw 1 lc rgb color_other title "
            "'allocated'");
  print_bars(sink, view, 0, "saved_activation", "held for backward");
  print_bars(sink, view, 1, "few_bit", "held, codes could replace it");
  sink_print(sink, "\n");
}

static void describe(struct sink *sink, const struct plot_view *view) {
  sink_print(
      sink,
      "When the %zu largest saved blocks of step %d were held: each a bar from the first save to the last release, "
      "in the order in which they were saved.",
      rows_of(view), view->facts->saved_step);
}

static size_t legend(const struct plot_view *view, struct plot_legend items[static PLOT_LEGEND_MAX]) {
  size_t count = 0;
  (void)view;
  plot_legend_add(items, &count, "saved_activation", "held for backward", false);
  plot_legend_add(items, &count, "few_bit", "held, and few-bit codes could replace it", false);
  plot_legend_add(items, &count, "other", "allocated", true);
  return count;
}

const struct plot plot_lifetimes = {
    "lifetimes", "Lifetimes of the largest saved blocks of a step", {&data}, has, height, settings, curves, describe,
    legend};
