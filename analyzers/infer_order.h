/* How far blocks are freed in the reverse order of their allocation. */
#ifndef ACTSCOPE_ANALYZERS_INFER_ORDER_H
#define ACTSCOPE_ANALYZERS_INFER_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct infer_span { /* places are distinct */
  uint32_t begin, end;
  uint64_t weight;
  bool marked; /* for infer_order_overtaken */
  bool kept;   /* by infer_order_nested */
};

/* Marks the heaviest set of spans each of which lies within the ones that begin before it, and sorts them by begin. *weight
 * is its weight. 0, or ERROR_MEMORY. */
int infer_order_nested(struct infer_span *spans, size_t count, uint64_t *weight);

/* For each of these spans, sorted by begin, the weight of the marked ones that begin before it and end before it, too: what a
 * last-in-first-out order would have freed after it. 0, or ERROR_MEMORY. */
int infer_order_overtaken(const struct infer_span *spans, size_t count, uint64_t *overtaken);

#endif
