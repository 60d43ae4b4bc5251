/* Which kinds of blocks (infer_runs.h) a training loop saves: those that climb and fall together, again and again, in reverse
 * order and with work on the way down. docs/inference.md tells the rules in words. */
#ifndef ACTSCOPE_ANALYZERS_INFER_PATTERNS_H
#define ACTSCOPE_ANALYZERS_INFER_PATTERNS_H

#include "analyzers/infer_frames.h"
#include "analyzers/infer_runs.h"
#include "analyzers/infer_sequence.h"

#include <stddef.h>
#include <stdint.h>

struct infer_pattern { /* its kinds have its number + 1 as their `pattern` */
  uint64_t level;      /* bytes of its runs at the turning point */
  uint64_t times;      /* turning points like it, about */
  double named;        /* share of the bytes that functions named so free in a backward pass */
  double
      echo; /* share of the bytes that the way down allocates again, size by size: gradients have the shapes of activations */
};

enum { INFER_PATTERNS_MAX = 8 };

struct infer_patterns {
  struct infer_pattern items[INFER_PATTERNS_MAX];
  size_t count;
};

/* least: bytes below which nothing is worth telling. 0, or ERROR_MEMORY. */
int infer_patterns_find(struct infer_patterns *patterns, struct infer_runs *runs, const struct infer_sequence *sequence,
                        struct infer_frames *frames, uint64_t least);

#endif
