/* The colours of every plot and of the HTML page, the same everywhere: those that M. Okabe and K. Ito chose so that
 * colour-blind readers can tell them apart, and greys. */
#ifndef ACTSCOPE_REPORTS_PALETTE_H
#define ACTSCOPE_REPORTS_PALETTE_H

#include "analyzers/facts.h"

#include <stddef.h>

struct palette_color {
  const char *name;  /* "saved_activation": gnuplot's variable color_NAME, the style sheet's --NAME */
  const char *light; /* "#rrggbb", on white: what gnuplot is given */
  const char *dark;  /* its place on a dark page */
};

enum palette_index { /* from 0 on: enum category */
                     PALETTE_FEW_BIT = CATEGORY_COUNT,
                     PALETTE_FORWARD,
                     PALETTE_BACKWARD,
                     PALETTE_UPDATE,
                     PALETTE_INK,
                     PALETTE_GRID,
                     PALETTE_PAPER,
                     PALETTE_COUNT
};
extern const struct palette_color palette[PALETTE_COUNT];

/* Categories from the bottom of a stack to its top, so that what few-bit codes can lower lies on top. */
extern const enum category palette_stack[CATEGORY_COUNT];

/* Curves that are no category, by number: "#rrggbb", again from the first after the last. */
const char *palette_curve(size_t index);

#endif
