/* How near few-bit gradients came to exact ones, by bits: read from what `actscope verify --json` or `actscope replay --json`
 * wrote, to be told in the report of a run. */
#ifndef ACTSCOPE_REPORTS_GRADIENTS_H
#define ACTSCOPE_REPORTS_GRADIENTS_H

#include "common/error.h"

#include <stddef.h>

enum { GRADIENTS_WIDTHS_MAX = 8, GRADIENTS_SUBJECT_SIZE = 256 };

struct gradients_width {
  unsigned bits;
  double min_cosine, mean_cosine; /* over parameters or activations; NaN: not known */
  double max_relative_error;
};

struct gradients {
  char subject[GRADIENTS_SUBJECT_SIZE];                /* what was checked, in words; valid UTF-8 is not promised */
  struct gradients_width widths[GRADIENTS_WIDTHS_MAX]; /* by bits */
  size_t count;
};

/* Reads the file at path. ERROR_IO if it cannot be read, ERROR_INPUT if it is something else or says nothing of gradients
 * (a training that was compared, a model that was replayed). */
int gradients_read(const char *path, struct gradients *gradients, struct error *err);

#endif
