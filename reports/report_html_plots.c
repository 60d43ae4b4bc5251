/* Plots of the HTML report: gnuplot's drawings, for wide screens and for narrow ones, with a legend that is text. */
#include "reports/report_html.h"

#include "reports/html.h"
#include "reports/palette.h"
#include "reports/plot_pictures.h"
#include "reports/svg.h"

#include <errno.h>
#include <stdio.h>

static const struct plot_picture *picture_of(const struct html_page *page, const struct plot *plot) {
  return page->options->page ? plot_pictures_find(page->options->page->pictures, plot) : NULL;
}

bool html_plot_has(const struct html_page *page, const struct plot *plot) {
  return picture_of(page, plot) != NULL;
}

static void write_drawing(const struct html_page *page, const struct plot_picture *picture, const char *svg,
                          const char *width) {
  char id[64];
  snprintf(id, sizeof id, "plot-%s-%s", picture->plot->name, width);
  const struct svg_place place = {id, width, picture->plot->title, picture->description};
  if (!svg_inline(page->sink, svg, &place)) {
    sink_fail(page->sink, EIO);
  }
}

static void write_legend(struct sink *sink, const struct plot_picture *picture) {
  if (!picture->legend_count) {
    return;
  }
  sink_print(sink, "<ul class=\"legend\">\n");
  for (size_t i = 0; i < picture->legend_count; i++) {
    const struct plot_legend *item = &picture->legend[i];
    sink_print(sink, "<li><i class=\"%s\" style=\"--c:var(--%s)\"></i>%s</li>\n", item->line ? "chip line" : "chip",
               item->color, item->text);
  }
  sink_print(sink, "</ul>\n");
}

void html_plot(const struct html_page *page, const struct plot *plot) {
  const struct plot_picture *picture = picture_of(page, plot);
  if (!picture) {
    return;
  }
  sink_print(page->sink, "<figure>\n");
  write_drawing(page, picture, picture->wide, "wide");
  write_drawing(page, picture, picture->narrow, "narrow");
  write_legend(page->sink, picture);
  sink_print(page->sink, "<figcaption>");
  html_text(page->sink, picture->description);
  sink_print(page->sink, "</figcaption>\n</figure>\n");
}

/* The table below it has the same in figures. */
void html_category_bar(const struct html_page *page) {
  const struct facts *facts = page->facts;
  if (!facts->peak.bytes) {
    return;
  }
  sink_print(page->sink, "<div class=\"stack\" aria-hidden=\"true\">");
  for (size_t i = CATEGORY_COUNT; i-- > 0;) {
    const enum category category = palette_stack[i];
    if (facts->categories[category]) {
      sink_print(page->sink, "<i style=\"--c:var(--%s);flex-grow:%.4f\"></i>", palette[category].name,
                 100 * (double)facts->categories[category] / (double)facts->peak.bytes);
    }
  }
  sink_print(page->sink, "</div>\n");
}
