/* How far to believe what was inferred. */
#ifndef ACTSCOPE_ANALYZERS_INFER_CONFIDENCE_H
#define ACTSCOPE_ANALYZERS_INFER_CONFIDENCE_H

#include "analyzers/infer_patterns.h"
#include "analyzers/infer_sequence.h"
#include "analyzers/infer_steps.h"

/* 0 to 1; docs/inference.md has the formula. 0, or ERROR_MEMORY. */
int infer_confidence(const struct infer_steps *steps, const struct infer_patterns *patterns,
                     const struct infer_sequence *sequence, double *confidence);

#endif
