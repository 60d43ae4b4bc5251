/* What a run's peak would have been with few-bit codes in place of its eligible blocks: the timeline of live bytes,
 * simulated again. A block's bytes end when its consumer's forward op has returned; ceil(elements * bits / 8) bytes of
 * codes live from then until its holder lets go.
 *
 * A piece of an arena frees nothing, whoever lets go of it: the arena itself is taken as carved smaller, from its allocation
 * to its end, with codes in place of each piece that is eligible in every step, and with room for the largest of them, in
 * which one op at a time computes. (An op that works in place needs not even that.) */
#ifndef ACTSCOPE_ANALYZERS_PROJECTION_H
#define ACTSCOPE_ANALYZERS_PROJECTION_H

#include "analyzers/facts.h"

#include <stddef.h>
#include <stdint.h>

#define PROJECTION_BITS_MAX 8

/* Projects facts at `bits` (1 to PROJECTION_BITS_MAX) bits, with codes for the ops in functions (canonical names), all
 * of them if count is 0. Exact for any choice: facts keep the highest level within each segment in which no candidate
 * changes. 0, ERROR_USAGE, or ERROR_MEMORY. */
int projection_compute(const struct facts *facts, unsigned bits, const char *const *functions, size_t count,
                       struct facts_projection *out);

/* Fills in facts->projections for 1, 2, 3, 4 bits and all functions. 0, or ERROR_MEMORY. */
int projection_compute_all(struct facts *facts);

/* Fills in differences[0, facts->segments_count): by how much codes change the level within each segment. Parameters and
 * result as those of projection_compute. */
int projection_differences(const struct facts *facts, unsigned bits, const char *const *functions, size_t count,
                           int64_t *differences);

uint64_t projection_code_bytes(uint64_t elements, unsigned bits);

#endif
