/* The steps of a training loop, from the kinds of blocks that it saves (infer_patterns.h): where each turns from forward to
 * backward, where backward ends, and what lies saved between the two. */
#ifndef ACTSCOPE_ANALYZERS_INFER_STEPS_H
#define ACTSCOPE_ANALYZERS_INFER_STEPS_H

#include "analyzers/infer_frames.h"
#include "analyzers/infer_patterns.h"
#include "analyzers/infer_runs.h"
#include "analyzers/infer_sequence.h"
#include "analyzers/spill.h"

#include <stddef.h>
#include <stdint.h>

struct infer_step { /* places of the sequence */
  uint32_t pattern;
  uint32_t top;                   /* a place at which all that the pattern's kinds save lies there */
  uint32_t first, last;           /* their first allocation, their last one */
  uint32_t first_free, last_free; /* their first free, their last one */
  uint32_t turn;                  /* the first event of backward */
  uint32_t end;                   /* the last one */
  size_t saved_first;             /* of `saved` */
  uint32_t saved_count;
  uint64_t saved_bytes;
  double order; /* share of the bytes that are freed in the reverse order of their allocation */
};

struct infer_steps {  /* zeroed: nothing */
  struct spill items; /* struct infer_step, by turn */
  struct spill saved; /* uint32_t: blocks of the sequence, by step, then by allocation */
};

/* 0, or ERROR_MEMORY. */
int infer_steps_find(struct infer_steps *steps, const struct infer_patterns *patterns, const struct infer_runs *runs,
                     const struct infer_sequence *sequence, struct infer_frames *frames);
void infer_steps_fini(struct infer_steps *steps);

static inline struct infer_step *infer_step_at(const struct infer_steps *steps, size_t index) {
  return (struct infer_step *)spill_at(&steps->items, index);
}

static inline uint32_t infer_step_block(const struct infer_steps *steps, const struct infer_step *step,
                                        uint32_t index) {
  return *(const uint32_t *)spill_at(&steps->saved, step->saved_first + index);
}

#endif
