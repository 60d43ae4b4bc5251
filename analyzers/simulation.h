/* The run's live bytes, simulated again with blocks taken away, made smaller or kept for less time: what the highest level
 * would have been. Never a subtraction from the peak: what is taken away there may uncover another one. */
#ifndef ACTSCOPE_ANALYZERS_SIMULATION_H
#define ACTSCOPE_ANALYZERS_SIMULATION_H

#include "analyzers/facts.h"
#include "analyzers/spill.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct level_change { /* from this event on the level would have been so many bytes higher */
  uint64_t event;
  int64_t bytes;
};

/* The highest of the segments' levels, changed; changes are sorted here. differences (may be NULL): by how much the level
 * changes within each segment. */
int64_t simulation_of_segments(const struct facts_segment *segments, size_t segments_count,
                               struct level_change *changes, size_t changes_count, int64_t *differences);

/* One way in which the run could have gone: blocks that live less, together never more bytes than there were. */
struct scenario {
  struct spill changes; /* struct level_change, in any order before the simulation */
  uint64_t peak_event;  /* at which `bytes` is asked for: the recorded run's peak */
  uint64_t bytes;       /* by how much the level is lower then */
  int64_t peak;         /* the highest level */
  /* private */
  size_t next;
  int64_t difference;
};

int scenario_init(struct scenario *scenario, uint64_t peak_event); /* 0, or ERROR_MEMORY */
void scenario_fini(struct scenario *scenario);                     /* zeroed is fine */

/* So many bytes are gone from this event on up to that one. An interval that is empty changes nothing. 0, or ERROR_MEMORY. */
int scenario_take(struct scenario *scenario, uint64_t bytes, uint64_t from, uint64_t to);
/* So many bytes that the scenario's groups take away are there all the same. 0, or ERROR_MEMORY. */
int scenario_leave(struct scenario *scenario, uint64_t bytes, uint64_t from, uint64_t to);

enum { SCENARIO_GROUPS_MAX = 32 };

struct scenario_group { /* of stacks whose blocks a scenario is without */
  uint8_t scenario;
  bool one_at_a_time;        /* but for one of them, the largest that lives: they are made one after the other */
  uint64_t left, left_bytes; /* private: that one's address */
};

struct scenario_groups {
  uint8_t *of_stack; /* the group's index + 1, 0: none; stacks_limit of them, the caller's */
  uint32_t stacks_limit;
  struct scenario_group items[SCENARIO_GROUPS_MAX];
  size_t count;
};

/* Goes through the trace and fills in every scenario's bytes and peak. 0, or ERROR_MEMORY. */
int simulation_of_trace(struct trace_reader *reader, struct scenario *scenarios, size_t count,
                        struct scenario_groups *groups);

#endif
