/* Views of quantizers, for the command `quantize`: a page of text, JSON, a plot. */
#ifndef ACTSCOPE_REPORTS_QUANTIZER_VIEW_H
#define ACTSCOPE_REPORTS_QUANTIZER_VIEW_H

#include "kernels/quantizer.h"
#include "reports/sink.h"

/* A table to compare with, both measured under one weight. */
struct quantizer_rival {
  const char *name;             /* of its file */
  double error, cosine;         /* its own */
  double own_error, own_cosine; /* of the quantizer beside it */
  bool other_params;            /* it is for the same function with other parameters: */
  double params[FUNCTION_PARAMS];
};

/* Figures and every interval; rival NULL: no comparison. */
void quantizer_text_emit(struct sink *sink, const struct quantizer *quantizer, const struct quantizer_rival *rival);

/* Schema actscope.quantizer/1; with a rival, of one quantizer, a member "compared". */
int quantizer_json_emit(struct sink *sink, const struct quantizer *quantizers, size_t count,
                        const struct quantizer_rival *rival, struct error *err);

/* gnuplot's script for f', its approximation, and below them their difference; no terminal, no output. */
void quantizer_plot_emit(struct sink *sink, const struct quantizer *quantizer, const struct function *function,
                         const struct weight *weight);

#endif
