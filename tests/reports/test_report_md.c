/* Markdown: golden text, and names that look like marks. */
#include "reports/report.h"
#include "tests/reports/golden.h"
#include "tests/reports/sample_facts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct facts facts;
static struct sink sink;
static struct error err;

static void tear_down(void) {
  facts_fini(&facts);
  free(sink.memory);
}

TestSuite(report_md, .fini = tear_down);

static void emit(const struct report_options *options) {
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  report_backend_find("md")->emit(&sink, &facts, options);
  cr_assert_eq(sink_close(&sink, &err), 0);
}

Test(report_md, golden) {
  sample_facts_gpt(&facts);
  emit(&(struct report_options){.top = 4});
  golden_expect("report_gpt.md", sink.memory, sink.memory_size);
}

Test(report_md, marks_are_escaped) {
  sample_facts_gpt(&facts);
  facts.run.framework = (char *)"f<T>|*_x_y_";
  emit(&(struct report_options){0});
  cr_expect_not_null(strstr(sink.memory, "- framework: f\\<T\\>\\|\\*\\_x_y\\_\n"));
}

Test(report_md, nothing_at_all) {
  facts.saved_step = facts.peak.step = -1;
  emit(&(struct report_options){0});
  cr_expect_not_null(strstr(sink.memory, "peaked at **0 B**"));
}

/* Every row of a table has as many cells as its title. */
Test(report_md, rows_are_whole) {
  size_t columns = 0;
  sample_facts_gpt(&facts);
  emit(&(struct report_options){0});
  for (char *line = strtok(sink.memory, "\n"); line; line = strtok(NULL, "\n")) {
    size_t bars = 0;
    for (char *c = line; *c; c++) {
      bars += *c == '|' && (c == line || c[-1] != '\\');
    }
    cr_expect(!bars || !columns || bars == columns, "%s", line);
    columns = bars;
  }
}
