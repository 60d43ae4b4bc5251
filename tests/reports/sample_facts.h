/* Facts made by hand for the reports' tests: a small GPT with 4 layers, trained for 6 steps on PyTorch 1.13. The figures
 * agree with each other (categories sum to the peak, ops with the list), as the analysis guarantees. */
#ifndef ACTSCOPE_TESTS_REPORTS_SAMPLE_FACTS_H
#define ACTSCOPE_TESTS_REPORTS_SAMPLE_FACTS_H

#include "analyzers/facts.h"

/* The caller ends them with facts_fini. */
void sample_facts_gpt(struct facts *facts);
void sample_facts_plain(
    struct facts *facts); /* a C program: no op was seen, the trace was cut off, odd bytes in names */

#endif
