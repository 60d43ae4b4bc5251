/* The peak as a tree of calls: what a flame graph shows. Frames that tell a reader nothing are left out: those without a name,
 * and the Python interpreter's own functions where the stack has the lines that it was at work on; where it has none, a run of
 * them is one frame. A function that calls itself is one, too. */
#ifndef ACTSCOPE_REPORTS_FLAME_H
#define ACTSCOPE_REPORTS_FLAME_H

#include "analyzers/facts.h"

#include <stddef.h>
#include <stdint.h>

struct flame_node {
  const char *name; /* as the facts have it: neither valid UTF-8 nor free of control characters */
  uint64_t bytes, blocks;
  uint64_t categories[CATEGORY_COUNT]; /* they sum to bytes */
  uint32_t parent, depth;              /* of the root: 0, 0 */
  uint32_t first_child, children;      /* in flame.order */
};

struct flame {              /* zeroed: none */
  struct flame_node *nodes; /* the root first, parents before children */
  size_t count, capacity;
  uint32_t *order;         /* nodes by parent, the largest first */
  struct strings *strings; /* of names */
};

/* The root has all bytes at the peak; what no stack accounts for are children of it. 0, or ERROR_MEMORY; facts are borrowed,
 * the caller ends it with flame_fini, whatever the result. */
int flame_init(struct flame *flame, const struct facts *facts);
void flame_fini(struct flame *flame);

/* The category that most of the node's bytes are of. */
enum category flame_category(const struct flame_node *node);

#endif
