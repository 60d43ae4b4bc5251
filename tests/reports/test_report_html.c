/* The HTML page: golden text without plots, and names that look like HTML. What a browser makes of it is tested on real runs
 * (tests/e2e/test_report_html.py). */
#include "reports/plot_pictures.h"
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

TestSuite(report_html, .fini = tear_down);

static void emit(const struct report_options *options) {
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  report_backend_find("html")->emit(&sink, &facts, options);
  cr_assert_eq(sink_close(&sink, &err), 0, "%s", err.message);
}

/* Without what stands between the tags: a style sheet and a script have no place in a golden file. */
static void cut(const char *begin, const char *end) {
  char *from = strstr(sink.memory, begin), *to = from ? strstr(from, end) : NULL;
  cr_assert(from && to, "%s", begin);
  from += strlen(begin);
  memmove(from, to, strlen(to) + 1);
}

Test(report_html, golden) {
  static const struct gradients gradients = {
      "the parameters of gpt", {{2, 0.991, 0.995, 0.13}, {3, 0.9977, 0.999, 0.07}}, 2};
  const struct report_page page = {NULL, "1.2.3", "'a run.act'", "actscope report 'a run.act' --format html"};
  sample_facts_gpt(&facts);
  emit(&(struct report_options){.top = 4, .gradients = &gradients, .page = &page});
  cut("<style>\n", "</style>");
  cut("<script>\n", "</script>");
  golden_expect("report_gpt.html", sink.memory, strlen(sink.memory));
}

static size_t count(const char *what) {
  size_t found = 0;
  for (const char *at = sink.memory; (at = strstr(at, what)); at++) {
    found++;
  }
  return found;
}

/* Whatever a trace holds, no tag comes of it and no attribute ends by it. */
Test(report_html, names_are_text) {
  static char hostile[] = "</script><img src=x onerror=alert(1)>\" ' &lt; \xff\xfe \033[31m <!--";
  sample_facts_gpt(&facts);
  facts.run.command = facts.run.framework = hostile;
  facts.by_op[0].op = hostile;
  facts.saved[0].layer = facts.saved[0].site = facts.saved[0].op_allocated = hostile;
  facts.saved[0].holders[0].op = hostile;
  facts.sites[0].site = facts.sites[0].op = hostile;
  facts.stacks[0].frames[0].function = hostile;
  const struct gradients gradients = {"</script><img src=x>", {{3, 0.9, 0.9, 0.1}}, 1};
  const struct report_page page = {NULL, "1", hostile, hostile};
  emit(&(struct report_options){.gradients = &gradients, .page = &page});
  cr_expect_null(strstr(sink.memory, "<img"));
  cr_expect_null(strstr(sink.memory, "<!--"));
  cr_expect_null(strchr(sink.memory, '\033'));
  cr_expect_null(strchr(sink.memory, '\xff'));
  cr_expect_eq(count("<script"), 1);
  cr_expect_eq(count("</script>"), 1);
  cr_expect_geq(count("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&quot; &#39; &amp;lt;"), 9);
}

/* Long lists are cut, and what is not shown is told. */
Test(report_html, lists_are_cut) {
  sample_facts_gpt(&facts);
  emit(&(struct report_options){.top = 2});
  cr_expect_not_null(strstr(sink.memory, "<p class=\"rest\">and 4 more, 192.0 MiB; --top 0 shows all</p>"));
}

Test(report_html, says_why_there_are_no_plots) {
  struct plot_pictures none = {.notice = "gnuplot: No such file or directory; install <gnuplot-nox> for plots"};
  const struct report_page page = {&none, "1", "a.act", "actscope report a.act"};
  sample_facts_gpt(&facts);
  emit(&(struct report_options){.page = &page});
  cr_expect_not_null(strstr(sink.memory, "This page has no plots: gnuplot: No such file or directory; install "
                                         "&lt;gnuplot-nox&gt; for plots."));
}

Test(report_html, of_a_program_that_saves_nothing) {
  sample_facts_plain(&facts);
  emit(&(struct report_options){0});
  cr_expect_not_null(strstr(sink.memory, "<dt>Saved activations</dt><dd><b>not known</b>"));
  cr_expect_null(strstr(sink.memory, "<section id=\"savings\""));
}

Test(report_html, of_nothing_at_all) {
  facts.saved_step = facts.peak.step = -1;
  emit(&(struct report_options){0});
  cr_expect_not_null(strstr(sink.memory, "<b>0 B</b>"));
  cr_expect_not_null(strstr(sink.memory, "</html>\n"));
}
