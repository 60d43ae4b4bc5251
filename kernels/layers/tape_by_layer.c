/* Saved bytes by layer and op. */
#include "kernels/layers/tape.h"

#include <stdlib.h>
#include <string.h>

static bool same(const struct tape_row *row, const struct node *node) {
  return strcmp(row->op, node->ops->op) == 0 && strcmp(row->layer, node->layer) == 0;
}

/* The row of this layer and op, or the free one after the last. Layers come in their order, so the search starts at the
 * end. */
static size_t find(const struct tape_row *rows, size_t count, const struct node *node) {
  for (size_t i = count; i-- > 0;) {
    if (same(&rows[i], node)) {
      return i;
    }
  }
  return count;
}

int tape_by_layer(const struct tape *tape, struct tape_row **rows, size_t *count, struct error *err) {
  *count = 0;
  *rows = calloc(tape->nodes_count ? tape->nodes_count : 1, sizeof **rows);
  if (!*rows) {
    return error_set(err, ERROR_MEMORY, "saved bytes by layer: out of memory");
  }
  for (size_t i = 0; i < tape->nodes_count; i++) {
    const struct node *node = &tape->nodes[i];
    const size_t at = find(*rows, *count, node);
    struct tape_row *row = &(*rows)[at];
    if (at == *count) {
      row->layer = node->layer;
      row->op = node->ops->op;
      ++*count;
    }
    row->saved_bytes += node->saved_bytes;
    row->nodes++;
  }
  return 0;
}
