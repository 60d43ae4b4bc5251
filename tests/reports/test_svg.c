/* gnuplot's SVG within a page. */
#include "reports/svg.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const char drawing[] =
    "<?xml version=\"1.0\"?>\n<svg \n viewBox=\"0 0 920 380\"\n xmlns=\"http://www.w3.org/2000/svg\"\n>\n\n"
    "<title>Gnuplot</title>\n<desc>Produced by GNUPLOT 5.4</desc>\n\n<g id=\"gnuplot_canvas\">\n"
    "<rect x=\"0\" y=\"0\" fill=\"none\"/>\n<defs>\n\t<circle id='gpDot' r='0.5'/>\n"
    "\t<use xlink:href='#gpPt5' id='gpPt6'/>\n</defs>\n"
    "<g fill=\"none\" color=\"black\" stroke=\"currentColor\">\n</g>\n"
    "<g id=\"gnuplot_plot_1\" ><title>a &lt; b</title>\n"
    "<polygon fill = 'rgb(230, 159,   0)' points = '1,2 3,4 '/>\n"
    "<path stroke='black' d='M1,2\n\tL3,4'/><path stroke='rgb(  1,   2,   3)'/>\n"
    "<g fill=\"black\" font-family=\"sans\" font-size=\"13.00\"><text>a &lt; b &amp; 'c'</text></g>\n%s"
    "</g>\n</g>\n</svg>\n";

static struct sink sink;
static struct error err;

static bool put(const char *svg) {
  const struct svg_place place = {"p1", "wide", "A <title>", "what \"it\" is"};
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  const bool done = svg_inline(&sink, svg, &place);
  cr_assert_eq(sink_close(&sink, &err), 0);
  return done;
}

static void tear_down(void) {
  free(sink.memory);
}

TestSuite(svg, .fini = tear_down);

static void put_drawing(const char *more) {
  char text[4096];
  snprintf(text, sizeof text, drawing, more);
  cr_assert(put(text));
}

Test(svg, is_an_element_with_words) {
  put_drawing("");
  cr_expect_eq(strncmp(sink.memory,
                       "<svg id=\"p1\" class=\"plot wide\" role=\"img\" aria-labelledby=\"p1-title p1-description\" "
                       "viewBox=\"0 0 920 380\" font-size=\"13\"><title id=\"p1-title\">A &lt;title&gt;</title>"
                       "<desc id=\"p1-description\">what &quot;it&quot; is</desc>\n<g id=\"p1-gnuplot_canvas\">",
                       240),
               0, "%s", sink.memory);
  cr_expect_null(strstr(sink.memory, "GNUPLOT"));
  cr_expect_not_null(strstr(sink.memory, "<text>a &lt; b &amp; 'c'</text>"));
  cr_expect_not_null(strstr(sink.memory, "</g>\n</g>\n</svg>\n"));
}

Test(svg, colors_are_variables) {
  put_drawing("");
  cr_expect_not_null(strstr(sink.memory, "<polygon fill=\"var(--saved_activation)\" points=\"1,2 3,4 \"/>"));
  cr_expect_not_null(strstr(sink.memory, "<path stroke=\"currentColor\" d=\"M1,2\n\tL3,4\"/>"));
  cr_expect_not_null(strstr(sink.memory, "<path stroke=\"#010203\"/>"));
  cr_expect_not_null(strstr(sink.memory, "<g fill=\"currentColor\" font-size=\"13.00\"><text>"));
}

Test(svg, ids_are_unique_and_marks_are_kept_where_used) {
  put_drawing("");
  cr_expect_null(strstr(sink.memory, "gpDot"));
  free(sink.memory);
  put_drawing("<use xlink:href='#gpPt6' transform='translate(1,2)'/>");
  cr_expect_not_null(strstr(sink.memory, "<circle id=\"p1-gpDot\" r=\"0.5\"/>"));
  cr_expect_not_null(strstr(sink.memory, "<use href=\"#p1-gpPt6\" transform=\"translate(1,2)\"/>"));
  cr_expect_null(strstr(sink.memory, "id='"));
}

Test(svg, empty_groups_are_dropped) {
  put_drawing("");
  cr_expect_null(strstr(sink.memory, "<g fill=\"none\""));
}

Test(svg, refuses_what_is_none) {
  cr_expect_not(put("gnuplot> plot\n"));
  cr_expect_eq(sink.memory_size, 0);
  free(sink.memory);
  cr_expect_not(put("<svg viewBox=\"0 0 1 1\"><g id=\"gnuplot_canvas\">")); /* not whole */
}
