/* The views of a comparison of two runs: the command `diff`. */
#ifndef ACTSCOPE_REPORTS_DIFF_H
#define ACTSCOPE_REPORTS_DIFF_H

#include "analyzers/compare.h"
#include "reports/sink.h"

#include <stddef.h>

struct diff_options {
  const char *names[COMPARE_SIDES]; /* the files, as they were given */
  double share;                     /* what comparison_make was given, for the words */
  size_t top;                       /* longest list, 0 = no limit */
};

void diff_text_emit(struct sink *sink, const struct comparison *comparison, const struct diff_options *options);
/* schema "actscope.diff/1" */
void diff_json_emit(struct sink *sink, const struct comparison *comparison, const struct diff_options *options);

/* A doubt as a sentence for people; doubt is one bit of enum compare_doubt. */
#define DIFF_DOUBT_SIZE 640
void diff_doubt_words(const struct comparison *comparison, enum compare_doubt doubt, char out[static DIFF_DOUBT_SIZE]);

#endif
