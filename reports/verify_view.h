/* Views of checks of gradients, and of training. */
#ifndef ACTSCOPE_REPORTS_VERIFY_VIEW_H
#define ACTSCOPE_REPORTS_VERIFY_VIEW_H

#include "kernels/replay/verify.h"
#include "kernels/replay/verify_train.h"
#include "reports/sink.h"

enum verify_subject { VERIFY_ARRAYS, VERIFY_RUN, VERIFY_MODEL, VERIFY_TORCH };

/* What was checked. */
struct verify_view {
  enum verify_subject subject;
  const char *name;   /* of the model, the run, or the function of the arrays; VERIFY_TORCH: SCRIPT.py:FUNCTION */
  const char *data;   /* "random", "text", "digits"; arrays: the file of X */
  const char *source; /* the file of a model's data; NULL: none */
  enum quantizer_method method;
  unsigned long long seed;
  size_t rows_max; /* of a table, those with the least cosine; 0: all of them, in their order */
  struct verify_limits limits;
};

/* What the Python package wrote ("actscope.verify/1", kind "torch"), NUL at its end, for the text and the plot; result is for
 * verify_result_fini, after failure, too. Parameters whose gradient is nothing but rounding noise are left out of the rows,
 * as they are of the figures over all rows, and counted in result->skipped. ERROR_INPUT for anything else. */
int verify_json_read(const char *document, struct verify_result *result, struct error *err);

void verify_text_emit(struct sink *sink, const struct verify_view *view, const struct verify_result *result);
/* Schema "actscope.verify/1". */
void verify_json_emit(struct sink *sink, const struct verify_view *view, const struct verify_result *result);
/* gnuplot's script: cosine of every row by width, at the start and, if there was training, after it; no terminal, no
 * output. */
void verify_plot_emit(struct sink *sink, const struct verify_view *view, const struct verify_result *result);

void verify_training_text_emit(struct sink *sink, const struct verify_train_options *options,
                               const struct verify_training *training);
/* The same schema, with `training` in place of gradients. */
void verify_training_json_emit(struct sink *sink, const struct verify_train_options *options,
                               const struct verify_training *training);

#endif
