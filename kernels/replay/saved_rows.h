/* What a step's forward pass left for backward, by layer and op: a copy that outlives its tape. */
#ifndef ACTSCOPE_KERNELS_REPLAY_SAVED_ROWS_H
#define ACTSCOPE_KERNELS_REPLAY_SAVED_ROWS_H

#include "common/error.h"
#include "kernels/layers/tape.h"

#include <stddef.h>

struct saved_row {
  char layer[TAPE_NAME_SIZE]; /* "blocks.3.mlp.act", or of several that are alike "blocks.*.mlp.act"; "" for by_op */
  const char *op;             /* static */
  size_t layers;              /* that are alike */
  size_t nodes;               /* in all of them */
  size_t bytes;               /* in all of them: of tensors that this op was the first to hold */
};

struct saved_rows {
  struct saved_row *rows;
  size_t count;
};

/* By layer and op in the order of forward. ERROR_MEMORY. */
int saved_rows_collect(struct saved_rows *rows, const struct tape *tape, struct error *err);
void saved_rows_fini(struct saved_rows *rows);

/* Joins layers that differ in numbers of their names only, and hold the same. */
void saved_rows_group(struct saved_rows *rows);

/* The same bytes by op, most first. ERROR_MEMORY. */
int saved_rows_by_op(const struct saved_rows *rows, struct saved_rows *by_op, struct error *err);

size_t saved_rows_bytes(const struct saved_rows *rows);

#endif
