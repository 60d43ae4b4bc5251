/* Is the few-bit gradient near enough to the exact one? By thresholds on cosine similarity and relative error, for two
 * arrays, for what a recorded run saved, and for every parameter of a built-in model. */
#ifndef ACTSCOPE_KERNELS_REPLAY_VERIFY_H
#define ACTSCOPE_KERNELS_REPLAY_VERIFY_H

#include "kernels/replay/gradient_error.h"
#include "kernels/replay/model_run.h"
#include "kernels/replay/npy.h"
#include "kernels/replay/replay_run.h"

#include <stdbool.h>

/* What has to hold of every parameter, layer or array; a NaN figure never passes. */
struct verify_limits {
  double min_cosine;         /* -1: no limit */
  double max_relative_error; /* infinity: no limit */
};

struct verify_row {
  char name[REPLAY_NAME_SIZE];
  struct gradient_figures gradient;
};

/* Gradients at one moment. */
struct verify_rows {
  struct verify_row *rows;
  size_t count;
  struct gradient_figures whole;                      /* of all rows as one gradient */
  double min_cosine, mean_cosine, max_relative_error; /* over the rows; NaN if one is */
};

bool verify_rows_pass(const struct verify_rows *rows, const struct verify_limits *limits);

struct verify_memory {
  uint64_t peak_bytes, saved_bytes;
};

struct verify_width {
  unsigned bits;
  struct verify_rows start;   /* with the weights as they were drawn, or with the arrays as they are */
  struct verify_rows trained; /* after the steps; count 0: none were asked for */
  struct verify_memory measured, projected;
  float *losses; /* few-bit, as many as the result's */
  bool passed;
};

struct verify_result {
  size_t widths_count;
  struct verify_width widths[QUANTIZER_BITS_MAX];
  bool metered; /* memory says something */
  struct verify_memory exact;
  float *losses; /* exact, a step each; NULL: there was no training */
  size_t losses_count;
  size_t steps;   /* between start and trained */
  size_t skipped; /* activations of the run that could not be replayed */
  bool passed;    /* every width did */
};
void verify_result_fini(struct verify_result *result); /* after failure, too */

/* ---- arrays: dy times f'(x), exact and few-bit ------------------------------------------------------------------ */

struct verify_arrays {
  const struct npy *x, *dy;
  const char *function;
  const unsigned *bits;
  size_t bits_count;
  enum quantizer_method method;
  struct verify_limits limits;
};
/* ERROR_USAGE for an unknown function, ERROR_INPUT for arrays that do not fit together. */
int verify_arrays(struct verify_result *result, const struct verify_arrays *options, struct error *err);

/* ---- a run: every activation of the list on its own ---------------------------------------------------------------- */

int verify_run(struct verify_result *result, const struct replay_activation *list, size_t count,
               const struct replay_options *options, const struct verify_limits *limits, struct error *err);

/* ---- a model: every parameter ------------------------------------------------------------------------------------ */

struct verify_model {
  struct model_run_options run; /* steps: 0: only the start is looked at */
  const unsigned *bits;
  size_t bits_count;
  struct verify_limits limits;
};
int verify_model(struct verify_result *result, const struct verify_model *options, struct error *err);

#endif
