/* Lanes for intervals: those that share a lane do not overlap, as a trace viewer wants it. */
#ifndef ACTSCOPE_REPORTS_LANES_H
#define ACTSCOPE_REPORTS_LANES_H

#include <stddef.h>
#include <stdint.h>

struct lane_interval {
  uint64_t begin, end; /* [begin, end), end >= begin */
  uint32_t lane;       /* set by lanes_assign: 0, 1, ... */
};

/* Gives every interval the lowest lane that is free at its begin, in order of begin (of equal ones, in theirs): as few
 * lanes as intervals that lie over one another at most. 0 and *lanes, or ERROR_MEMORY. */
int lanes_assign(struct lane_interval *intervals, size_t count, uint32_t *lanes);

#endif
