/* The HTML report's end: the run, and the commands that show it again; and the notes that stand at its top. */
#include "reports/report_html.h"

#include "reports/format.h"
#include "reports/html.h"
#include "reports/plot_pictures.h"
#include "reports/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- notes ------------------------------------------------------------------------------------------------------- */

struct notes {
  struct sink *sink;
  bool warns, any; /* which are told; has one been? */
};

static void note(void *context, bool warns, const char *text) {
  struct notes *notes = context;
  if (warns != notes->warns) {
    return;
  }
  sink_print(notes->sink, "%s<li>",
             notes->any ? ""
             : warns    ? "<ul class=\"notes warns\">\n"
                        : "<ul class=\"notes\">\n");
  html_text(notes->sink, text);
  sink_print(notes->sink, "</li>\n");
  notes->any = true;
}

void html_notes(const struct html_page *page, bool warns) {
  const struct report_page *more = page->options->page;
  struct notes notes = {.sink = page->sink, .warns = warns};
  if (more && more->pictures && more->pictures->notice[0]) {
    char text[512];
    snprintf(text, sizeof text, "This page has no plots: %s.", more->pictures->notice);
    note(&notes, true, text);
  }
  summary_notes(page->facts, note, &notes);
  if (notes.any) {
    sink_print(page->sink, "</ul>\n");
  }
}

/* ---- how to see it again ----------------------------------------------------------------------------------------- */

static bool has_layers(const struct facts *facts) {
  for (size_t i = 0; i < facts->saved_count; i++) {
    if (facts->saved[i].layer[0]) {
      return true;
    }
  }
  return false;
}

static void begin_command(const struct html_page *page, const char *what) {
  sink_print(page->sink, "<dt>%s</dt><dd><pre><code>", what);
}

static void end_command(const struct html_page *page) {
  sink_print(page->sink, "</code></pre></dd>\n");
}

/* The default of --min-size is left unsaid. */
static void record_command(const struct html_page *page) {
  const struct facts *facts = page->facts;
  begin_command(page, "Record the program again");
  sink_print(page->sink, "actscope record%s", has_layers(facts) ? " --layers" : "");
  if (facts->run.min_size != 4096) {
    sink_print(page->sink, " --min-size %" PRIu64, facts->run.min_size);
  }
  sink_print(page->sink, " -o run.act -- ");
  html_text(page->sink, facts->run.command);
  end_command(page);
}

static void run_command(const struct html_page *page, const char *what, const char *before, const char *after) {
  begin_command(page, what);
  sink_print(page->sink, "%s", before);
  html_text(page->sink, page->options->page->run);
  sink_print(page->sink, "%s", after);
  end_command(page);
}

static void apply_command(const struct html_page *page) {
  const struct facts_projection *p = summary_projection(page->facts);
  const char *framework = page->facts->run.framework;
  if (p && p->saving_bytes > 0 && framework && strncmp(framework, "pytorch", 7) == 0) {
    begin_command(page, "Run it with few-bit gradients");
    sink_print(page->sink, "actscope apply --bits %u --record few-bit.act -- ", p->bits);
    html_text(page->sink, page->facts->run.command);
    end_command(page);
  }
}

static void write_commands(const struct html_page *page) {
  sink_print(page->sink, "<h3>Commands</h3>\n<dl class=\"commands\">\n");
  record_command(page);
  if (page->options->page) {
    begin_command(page, "Make this page again");
    html_text(page->sink, page->options->page->command);
    end_command(page);
    run_command(page, "Its figures, for programs", "actscope report ", " --json");
    run_command(page, "Its plots, for a paper", "actscope report ", " --plots plots -o /dev/null");
    if (summary_has_evidence(page->facts)) {
      run_command(page, "What few bits do to the gradients", "actscope verify ", " --bits 1,2,3,4");
    }
  }
  apply_command(page);
  sink_print(page->sink, "</dl>\n");
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static void write_start(const struct html_page *page) {
  const time_t start = (time_t)(page->facts->run.start_unix_ns / 1000000000);
  struct tm parts;
  char text[64];
  if (start && gmtime_r(&start, &parts) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts)) {
    sink_print(page->sink, "<p>Recorded on %s.</p>\n", text);
  }
}

void html_run(const struct html_page *page) {
  write_start(page);
  html_table(page, "run", "The run");
  html_notes(page, false);
  write_commands(page);
}
