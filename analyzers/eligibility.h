/* Which saved activations few-bit codes could replace, with the reason in words. */
#ifndef ACTSCOPE_ANALYZERS_ELIGIBILITY_H
#define ACTSCOPE_ANALYZERS_ELIGIBILITY_H

#include "analyzers/saved_history.h"

#include <stdbool.h>

struct eligibility {
  bool eligible;
  const char *reason; /* static */
};

/* The verdict on a row whose holders' ops are known; call it when the trace has ended. */
struct eligibility eligibility_of(const struct saved_history *history, const struct saved_row *row);

/* The static string equal to a reason, e.g. one read back from a store; "" if there is no such reason. */
const char *eligibility_reason(const char *text);

#endif
