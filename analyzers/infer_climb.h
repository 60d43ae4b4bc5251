/* The bytes of runs (infer_runs.h) over the sequence: a curve that climbs in a forward pass and falls in the backward pass,
 * and the places where it turns. */
#ifndef ACTSCOPE_ANALYZERS_INFER_CLIMB_H
#define ACTSCOPE_ANALYZERS_INFER_CLIMB_H

#include "analyzers/infer_runs.h"

#include <stdint.h>

struct infer_turn {
  uint32_t place;   /* the first at which the curve is highest, between two places at which it is below the threshold */
  uint32_t pattern; /* the caller's */
  uint64_t level;   /* there */
  uint64_t hash;    /* of the runs that lie over it: equal for turns with the same blocks of the same kinds */
};

/* The runs that count: those of a pattern, or, for pattern 0, those of kinds that are in none and not dropped. */
uint64_t infer_climb_highest(const struct infer_runs *runs, uint32_t pattern);

/* Appends to `turns` (of struct infer_turn) those of the curve that reach the threshold, in order. 0, or ERROR_MEMORY. */
int infer_climb_turns(const struct infer_runs *runs, uint32_t pattern, uint64_t threshold, struct spill *turns);

/* Calls visit at each of these ascending places with the runs that lie over it. 0, what visit returns unless it is 0, or
 * ERROR_MEMORY. */
int infer_climb_over(const struct infer_runs *runs, uint32_t pattern, const uint32_t *places, size_t count,
                     int (*visit)(void *context, size_t index, const uint32_t *over, size_t over_count), void *context);

#endif
