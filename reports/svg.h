/* A picture that gnuplot drew as SVG, made part of an HTML page: ids that are unique in it, colours by the page's style sheet
 * (so that they follow light and dark), the page's letters, and words for those who cannot see it. */
#ifndef ACTSCOPE_REPORTS_SVG_H
#define ACTSCOPE_REPORTS_SVG_H

#include "reports/sink.h"

#include <stdbool.h>

struct svg_place {
  const char *id;          /* unique in the page; a word */
  const char *class_names; /* of the element, and "plot" */
  const char *title;       /* a word or two, plain text */
  const char *description; /* plain text */
};

/* Writes the drawing as an element to stand within a page. svg: one document of gnuplot's svg terminal. False, and nothing
 * written: it is not that. */
bool svg_inline(struct sink *sink, const char *svg, const struct svg_place *place);

#endif
