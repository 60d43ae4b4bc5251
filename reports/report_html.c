/* The report as one HTML page that needs nothing but itself: no network, no other file, and for reading no script either. */
#include "reports/report_html.h"

#include "reports/format.h"
#include "reports/html.h"
#include "reports/page_assets.h"
#include "reports/palette.h"
#include "reports/summary.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* ---- sections ---------------------------------------------------------------------------------------------------- */

static bool always(const struct html_page *page) {
  (void)page;
  return true;
}

static bool has_timeline(const struct html_page *page) {
  return html_plot_has(page, &plot_timeline);
}

static void timeline_section(const struct html_page *page) {
  html_plot(page, &plot_timeline);
}

static void peak_section(const struct html_page *page) {
  html_category_bar(page);
  html_table(page, "categories_at_peak", "Bytes at the peak by category");
}

static bool has_ops(const struct html_page *page) {
  return html_table_has(page, "by_op") || html_table_has(page, "selection");
}

static void paragraph(const struct html_page *page, const char *text) {
  sink_print(page->sink, "<p>");
  html_text(page->sink, text);
  sink_print(page->sink, "</p>\n");
}

static void ops_section(const struct html_page *page) {
  const struct facts *facts = page->facts;
  char text[256], bytes[FORMAT_SIZE], blocks[FORMAT_SIZE];
  snprintf(text, sizeof text, "Step %d kept %s in %s block%s for its backward pass.", facts->saved_step,
           format_bytes(bytes, facts->saved_bytes), format_count(blocks, facts->saved_blocks),
           facts->saved_blocks == 1 ? "" : "s");
  paragraph(page, text);
  if (html_table_has(page, "selection")) {
    paragraph(page, "A part of it was selected; the peak, the savings and the sites are the whole run's.");
    html_table(page, "selection", "What was selected");
  }
  html_table(page, "by_op", "Bytes saved for backward by operation");
}

static bool has_layers(const struct html_page *page) {
  return html_table_has(page, "like_layers");
}

static void layers_section(const struct html_page *page) {
  char count[FORMAT_SIZE];
  html_table(page, "like_layers", "Bytes saved for backward by layer, like layers taken together");
  sink_print(page->sink, "<details><summary>Each of %s layers alone</summary>\n",
             format_count(count, page->rows->layers.count));
  html_table(page, "by_layer", "Bytes saved for backward by layer");
  sink_print(page->sink, "</details>\n");
}

static bool has_lifetimes(const struct html_page *page) {
  return html_plot_has(page, &plot_lifetimes);
}

static void lifetimes_section(const struct html_page *page) {
  html_plot(page, &plot_lifetimes);
}

static bool has_savings(const struct html_page *page) {
  return summary_has_evidence(page->facts) && html_table_has(page, "projection");
}

static void savings_section(const struct html_page *page) {
  html_plot(page, &plot_savings);
  html_table(page, "projection", "The peak by bits of the codes");
  sink_print(page->sink, "<h3>What codes can replace, and why not the rest</h3>\n");
  html_table(page, "reasons", "Saved bytes by the reason why codes can replace them or not");
}

static bool has_gradients(const struct html_page *page) {
  return html_table_has(page, "gradients");
}

static void gradients_section(const struct html_page *page) {
  char text[GRADIENTS_SUBJECT_SIZE + 96];
  snprintf(text, sizeof text, "Cosine similarity between few-bit gradients and exact ones, of %s.",
           page->options->gradients->subject);
  paragraph(page, text);
  html_plot(page, &plot_gradients);
  html_table(page, "gradients", "Cosines by bits");
}

static bool has_blocks(const struct html_page *page) {
  return html_table_has(page, "groups");
}

static void blocks_section(const struct html_page *page) {
  html_table(page, "groups", "Saved blocks, those alike in one row");
}

static bool has_sites(const struct html_page *page) {
  return html_table_has(page, "sites_at_peak");
}

static void sites_section(const struct html_page *page) {
  html_table(page, "sites_at_peak", "Where what was live at the peak had been allocated");
}

static bool has_steps(const struct html_page *page) {
  return html_table_has(page, "steps");
}

static void steps_section(const struct html_page *page) {
  html_plot(page, &plot_steps);
  html_table(page, "steps", "Steps of the training loop");
}

static bool has_advice(const struct html_page *page) {
  return html_table_has(page, "advice");
}

static void advice_section(const struct html_page *page) {
  paragraph(page, "Each by itself, the run simulated again: the savings do not add up.");
  html_table(page, "advice", "What would have lowered the peak of this run");
}

static const struct section {
  const char *id, *title, *word; /* word: in the list of sections */
  bool (*has)(const struct html_page *page);
  void (*emit)(const struct html_page *page);
} sections[] = {
    {"timeline", "Live bytes over time", "Timeline", has_timeline, timeline_section},
    {"peak", "At the peak", "Peak", always, peak_section},
    {"ops", "Saved for backward, by operation", "Operations", has_ops, ops_section},
    {"layers", "Saved for backward, by layer", "Layers", has_layers, layers_section},
    {"savings", "The peak with codes of few bits", "Savings", has_savings, savings_section},
    {"gradients", "Few-bit gradients against exact ones", "Gradients", has_gradients, gradients_section},
    {"lifetimes", "Lifetimes of the largest saved blocks", "Lifetimes", has_lifetimes, lifetimes_section},
    {"blocks", "Saved blocks", "Blocks", has_blocks, blocks_section},
    {"flame", "The peak by allocation stack", "Flame graph", html_flame_has, html_flame},
    {"sites", "Sites at the peak", "Sites", has_sites, sites_section},
    {"steps", "Steps", "Steps", has_steps, steps_section},
    {"advice", "What would help most", "Advice", has_advice, advice_section},
    {"run", "The run, and how to see this again", "Run", always, html_run},
};
enum { SECTIONS = sizeof sections / sizeof *sections };

static void write_sections(const struct html_page *page) {
  for (size_t i = 0; i < SECTIONS; i++) {
    if (sections[i].has(page)) {
      sink_print(page->sink, "<section id=\"%s\" aria-labelledby=\"%s-title\">\n<h2 id=\"%s-title\">%s</h2>\n",
                 sections[i].id, sections[i].id, sections[i].id, sections[i].title);
      sections[i].emit(page);
      sink_print(page->sink, "</section>\n");
    }
  }
}

static void write_contents(const struct html_page *page) {
  sink_print(page->sink, "<nav aria-label=\"Sections\"><ul>\n");
  for (size_t i = 0; i < SECTIONS; i++) {
    if (sections[i].has(page)) {
      sink_print(page->sink, "<li><a href=\"#%s\">%s</a></li>\n", sections[i].id, sections[i].word);
    }
  }
  sink_print(page->sink, "</ul></nav>\n");
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static void write_answer(const struct html_page *page, const char *id, const char *term, const char *figure,
                         const char *more) {
  sink_print(page->sink, "<div id=\"%s\"><dt>%s</dt><dd><b>%s</b><span>", id, term, figure);
  html_text(page->sink, more);
  sink_print(page->sink, "</span></dd></div>\n");
}

static void write_saved_answer(const struct html_page *page) {
  const struct facts *facts = page->facts;
  const uint64_t saved = facts->categories[CATEGORY_SAVED_ACTIVATION];
  char share[FORMAT_SIZE], bytes[FORMAT_SIZE], more[96];
  if (!summary_has_evidence(facts)) {
    write_answer(page, "answer-saved", "Saved activations", "not known", "no save was seen: see the notes");
    return;
  }
  snprintf(more, sizeof more, "%s of the peak, kept for backward", format_bytes(bytes, saved));
  write_answer(page, "answer-saved", "Saved activations",
               format_percent(share, (double)saved, (double)facts->peak.bytes), more);
}

static void write_few_bit_answer(const struct html_page *page) {
  const struct facts *facts = page->facts;
  const struct facts_projection *p = summary_projection(facts);
  char term[48], peak[FORMAT_SIZE], bytes[FORMAT_SIZE], share[FORMAT_SIZE], more[128];
  if (!p || !summary_has_evidence(facts)) {
    write_answer(page, "answer-few-bit", "Peak at 3 bits", "not known", "it follows from what is saved");
    return;
  }
  const uint64_t change = (uint64_t)(p->saving_bytes < 0 ? -p->saving_bytes : p->saving_bytes);
  snprintf(term, sizeof term, "Peak at %u bit%s", p->bits, p->bits == 1 ? "" : "s");
  if (change) {
    snprintf(more, sizeof more, "%s (%s) %s with few-bit gradients", format_bytes(bytes, change),
             format_percent(share, (double)change, (double)facts->peak.bytes), p->saving_bytes > 0 ? "less" : "more");
  } else {
    snprintf(more, sizeof more, "few-bit gradients would not lower it");
  }
  write_answer(page, "answer-few-bit", term, format_bytes(peak, p->peak_bytes), more);
}

static void write_header(const struct html_page *page) {
  const struct facts *facts = page->facts;
  char peak[FORMAT_SIZE], when[SUMMARY_WHEN_SIZE];
  sink_print(page->sink, "<header>\n<h1>Where the memory went</h1>\n<p class=\"command\"><code>");
  html_text(page->sink, facts->run.command);
  sink_print(page->sink, "</code></p>\n<dl class=\"answer\">\n");
  write_answer(page, "answer-peak", "Peak", format_bytes(peak, facts->peak.bytes), summary_when(facts, when));
  write_saved_answer(page);
  write_few_bit_answer(page);
  sink_print(page->sink, "</dl>\n");
  html_notes(page, true);
  sink_print(page->sink, "</header>\n");
}

/* ---- the page ---------------------------------------------------------------------------------------------------- */

/* The palette as variables, for light pages and dark ones; paper is white, for that is what is printed on. */
static void write_colors(struct sink *sink) {
  sink_print(sink, ":root{");
  for (size_t i = 0; i < PALETTE_COUNT; i++) {
    sink_print(sink, "--%s:%s;", palette[i].name, palette[i].light);
  }
  sink_print(sink, "}\n@media screen and (prefers-color-scheme:dark){:root{");
  for (size_t i = 0; i < PALETTE_COUNT; i++) {
    sink_print(sink, "--%s:%s;", palette[i].name, palette[i].dark);
  }
  sink_print(sink, "}}\n");
  for (size_t i = 0; i < CATEGORY_COUNT; i++) { /* frames of the flame graph */
    sink_print(sink, ".flame .c-%s{--c:var(--%s)}\n", palette[i].name, palette[i].name);
  }
}

static void write_head(const struct html_page *page) {
  struct sink *sink = page->sink;
  sink_print(sink, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                   "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
                   "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n<title>");
  html_text(sink, "Memory of ");
  html_text(sink, page->facts->run.command);
  sink_print(sink, "</title>\n<style>\n");
  write_colors(sink);
  sink_print(sink, "%s</style>\n</head>\n", page_style);
}

static void write_page(const struct html_page *page) {
  struct sink *sink = page->sink;
  write_head(page);
  sink_print(sink, "<body>\n<a class=\"skip\" href=\"#main\">Skip to the figures</a>\n");
  write_header(page);
  write_contents(page);
  sink_print(sink, "<main id=\"main\">\n");
  write_sections(page);
  sink_print(sink,
             "</main>\n<footer><p>Made by actscope%s%s. Bytes are powers of two: 1 MiB is 1,048,576 bytes.</p>"
             "</footer>\n<script>\n%s</script>\n</body>\n</html>\n",
             page->options->page ? " " : "", page->options->page ? page->options->page->version : "", page_script);
}

void report_html_emit(struct sink *sink, const struct facts *facts, const struct report_options *options) {
  struct report_rows rows;
  if (report_rows_init(&rows, facts, options) != 0) {
    sink_fail(sink, ENOMEM);
  } else {
    write_page(&(struct html_page){sink, facts, options, &rows});
  }
  report_rows_fini(&rows);
}
