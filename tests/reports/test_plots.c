/* Scripts and data of plots: golden files, and names that gnuplot could take for something else. That gnuplot draws them is
 * tested on real runs (tests/e2e/test_report_plots.py). */
#include "reports/plots.h"
#include "tests/reports/golden.h"
#include "tests/reports/sample_facts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct facts facts;
static struct plot_view view;
static struct sink sink;
static struct error err;
static const struct gradients gradients = {
    "the parameters of gpt", {{2, 0.991, 0.995, 0.13}, {3, 0.9977, 0.999, 0.07}}, 2};

/* One segment, and the gelus of the fourth step for codes to replace in it. */
static void add_projection(void) {
  facts.segments = calloc(3, sizeof *facts.segments);
  facts.segments[0] = (struct facts_segment){1, 0, 503316480};
  facts.segments[1] = (struct facts_segment){100, 24000000000, 508559483};
  facts.segments[2] = (struct facts_segment){200, 26000000000, 503316480};
  facts.segments_count = 3;
  facts.replaceables = calloc(1, sizeof *facts.replaceables);
  facts.replaceables[0] = (struct facts_replaceable){.op = facts.saved[0].op,
                                                     .step = 3,
                                                     .listed = true,
                                                     .bytes = (uint64_t)96 << 20,
                                                     .elements = (uint64_t)24 << 20,
                                                     .begin_event = 100,
                                                     .release_event = 200,
                                                     .free_event = 200};
  facts.replaceables_count = 1;
}

static void set_up(void) {
  sample_facts_gpt(&facts);
  add_projection();
  cr_assert_eq(plot_view_init(&view, &facts, &gradients), 0);
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
}

static void tear_down(void) {
  plot_view_fini(&view);
  facts_fini(&facts);
  free(sink.memory);
}

TestSuite(plots, .init = set_up, .fini = tear_down);

static void finish(void) {
  cr_assert_eq(sink_close(&sink, &err), 0, "%s", err.message);
}

Test(plots, scripts_are_golden) {
  const struct plot *plot;
  view.files = true;
  plot_style_emit(&sink);
  for (size_t i = 0; (plot = plot_at(i)); i++) {
    sink_print(&sink, "\n==== %s.gp\n", plot->name);
    plot_script_emit(&sink, plot, &view);
    for (size_t d = 0; d < PLOT_DATA_MAX && plot->data[d]; d++) {
      sink_print(&sink, "\n==== %s.tsv\n", plot->data[d]->name);
      plot->data[d]->emit(&sink, &view);
    }
    sink_print(&sink, "\n==== in words\n");
    plot->describe(&sink, &view);
    sink_print(&sink, "\n");
  }
  finish();
  golden_expect("plots_gpt.txt", sink.memory, sink.memory_size);
}

static size_t lines(const char *text) {
  size_t count = 0;
  for (; *text; text++) {
    count += *text == '\n';
  }
  return count;
}

/* Of a page no more points than it has pixels, the highest among them. */
Test(plots, a_page_has_no_more_points_than_pixels) {
  enum { MANY = 4000 };
  struct facts_sample *samples = calloc(MANY, sizeof *samples);
  for (size_t i = 0; i < MANY; i++) {
    samples[i] = (struct facts_sample){.time_ns = i * 10000000, .live_bytes = 1000 + i % 7};
  }
  samples[1234].live_bytes = 987654;
  free(facts.timeline);
  facts.timeline = samples;
  facts.timeline_count = MANY;
  plot_view_fini(&view);
  cr_assert_eq(plot_view_init(&view, &facts, NULL), 0);
  plot_timeline.data[0]->emit(&sink, &view);
  finish();
  cr_expect_leq(lines(sink.memory), 641);
  cr_expect_not_null(strstr(sink.memory, "\t987654\t"));
}

/* A name is one field of one line, and no line of it can end the block of data. */
Test(plots, names_are_fields) {
  view.files = false;
  facts.saved[0].layer = "END\nEND\t\"x\" `touch /tmp/x` $(x) \xff\\";
  plot_lifetimes.data[0]->emit(&sink, &view);
  finish();
  cr_expect_eq(lines(sink.memory), 21);
  for (char *line = strtok(sink.memory, "\n"); line; line = strtok(NULL, "\n")) {
    size_t fields = 1;
    for (const char *c = line; *c; c++) {
      fields += *c == '\t';
    }
    cr_expect_eq(fields, 8, "%s", line);
    cr_expect_null(strchr(line, '"'));
    cr_expect(!strchr(line, '\\') || strstr(line, "\\\\"), "%s", line);
  }
}

Test(plots, units_follow_the_highest) {
  cr_expect_str_eq(plot_unit(&sink, 0), "KiB");
  cr_expect_str_eq(plot_unit(&sink, 1 << 20), "KiB");
  cr_expect_str_eq(plot_unit(&sink, 2 << 20), "MiB");
  cr_expect_str_eq(plot_unit(&sink, (uint64_t)3 << 30), "GiB");
  cr_expect_str_eq(plot_unit(&sink, UINT64_MAX), "TiB");
  cr_expect_str_eq(plot_time_unit(&sink, 3000000000), "s");
  cr_expect_str_eq(plot_time_unit(&sink, 3000000), "ms");
  finish();
}

Test(plots, of_nothing_there_is_none) {
  const struct plot *plot;
  struct facts nothing = {.saved_step = -1, .peak.step = -1};
  struct plot_view none;
  cr_assert_eq(plot_view_init(&none, &nothing, NULL), 0);
  for (size_t i = 0; (plot = plot_at(i)); i++) {
    cr_expect_not(plot->has(&none), "%s", plot->name);
  }
  plot_view_fini(&none);
  finish();
}
