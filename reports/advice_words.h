/* Advice as a sentence: what to do, to what, and how much of the peak that concerns. */
#ifndef ACTSCOPE_REPORTS_ADVICE_WORDS_H
#define ACTSCOPE_REPORTS_ADVICE_WORDS_H

#include "analyzers/facts.h"

enum { ADVICE_WORDS_SIZE = 1024 };

/* `run` tells what one can follow it with: a program that is not PyTorch's has no `actscope apply`. */
const char *advice_words(const struct facts_run *run, const struct facts_advice *advice,
                         char out[static ADVICE_WORDS_SIZE]);

#endif
