/* Kinds of blocks, and their runs. A kind is all blocks that were allocated from one place of the program and freed from one
 * other. Within a kind, allocations and frees take turns: some allocations in a row, then some frees in a row. A run is such
 * a turn from the last allocation to the first free, if the frees include the block allocated last. What a layer saves for
 * backward has one run a step, over the turning point between forward and backward, however many layers there are;
 * a temporary has one for each time that it is used. */
#ifndef ACTSCOPE_ANALYZERS_INFER_RUNS_H
#define ACTSCOPE_ANALYZERS_INFER_RUNS_H

#include "analyzers/infer_sequence.h"
#include "analyzers/map64.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct infer_kind {
  uint64_t bytes; /* of all its blocks */
  uint32_t blocks, runs;
  uint32_t alloc_stack, free_stack;
  uint32_t pattern; /* of infer_patterns.h, + 1; 0: none */
  bool dropped;     /* known not to be saved */
};

struct infer_run {
  uint32_t kind;
  uint32_t begin, end; /* places: of the last allocation, of the first free */
  uint32_t blocks;
  uint32_t slot; /* while a walk is within it */
  bool whole;    /* the block allocated last is among those that it frees */
  bool chosen;   /* for infer_patterns.c */
};

struct infer_runs {       /* zeroed: nothing */
  struct map64 by_stacks; /* private */
  struct infer_kind *kinds;
  size_t kinds_count, kinds_capacity;
  struct spill runs; /* struct infer_run */
  struct spill
      edges; /* uint32_t, by place: run * 2, + 1 at its end; of whole runs that recur and hold anything between */
};

/* Kinds with fewer runs do not make edges: what does not recur is no loop. */
#define INFER_RECURS 3

/* Fills in the kind and run of the sequence's blocks, too. 0, or ERROR_MEMORY. */
int infer_runs_find(struct infer_runs *runs, const struct infer_sequence *sequence);
void infer_runs_fini(struct infer_runs *runs);

static inline struct infer_run *infer_run_at(const struct infer_runs *runs, uint32_t run) {
  return (struct infer_run *)spill_at(&runs->runs, run);
}

static inline struct infer_kind *infer_kind_of(const struct infer_runs *runs, const struct infer_run *run) {
  return &runs->kinds[run->kind];
}

/* Bytes of a run, taking every block of its kind for as large as the mean: so that steps weigh the same whatever the size of
 * their batches. */
static inline uint64_t infer_run_weight(const struct infer_runs *runs, const struct infer_run *run) {
  const struct infer_kind *kind = infer_kind_of(runs, run);
  return kind->bytes / kind->blocks * run->blocks;
}

#endif
