/* Walks the calling thread's stack, and remembers the last walk of each thread.
 *
 * The outer part of a stack hardly changes from one event to the next. So a walk stops where it meets a frame of the last
 * one and reads again, in place of interpreting, the words of memory that the last walk took its steps from: if they are
 * all the same, so are the frames. That is exact, and several times faster than walking. */
#ifndef ACTSCOPE_PROFILER_UNWIND_H
#define ACTSCOPE_PROFILER_UNWIND_H

#include "profiler/config.h"
#include "profiler/stack_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unwind_frame {
  uint64_t ip, sp, bp;  /* the return address into this frame, and the registers there */
  struct stack_key key; /* of the stack from the outermost frame to this one */
  uint32_t reads;       /* words that the walk read up to here, counted from the outermost frame on */
  bool exact;           /* ip was interrupted by a signal: no return address */
};

struct unwind_read {
  uint64_t address, value;
};

/* A frame that this walk found, and what was read to find its caller. */
struct unwind_step {
  uint64_t ip, sp, bp;
  bool exact;
  unsigned count;
  struct unwind_read reads[3];
};

/* Addresses that were seen to be readable: a part of the stack. */
struct unwind_range {
  uint64_t low, high;
};

/* A thread's last walk: zeroed before the first use, and by unwind_forget. */
struct unwind_memo {
  uint64_t epoch; /* of the modules: code may have been replaced */
  struct unwind_range range;
  size_t count;
  bool whole;                                           /* frames[0] is the outermost one there is */
  struct unwind_frame frames[CONFIG_STACK_DEPTH_MAX];   /* outermost first */
  struct unwind_read reads[3 * CONFIG_STACK_DEPTH_MAX]; /* of frames[0], then of frames[1] ... */
  struct unwind_step fresh[CONFIG_STACK_DEPTH_MAX + 1]; /* innermost first */
  uint64_t flat[CONFIG_STACK_DEPTH_MAX];
};

/* Walks from the caller of the function whose __builtin_frame_address(0) is `frame`; at most max frames, the innermost.
 * Returns their number and their key. A frame from which the next cannot be told ends the walk. Takes no lock. */
size_t unwind_walk(struct unwind_memo *memo, const void *frame, size_t max, struct stack_key *key);

/* The frames of the last walk, innermost first. */
const uint64_t *unwind_frames(struct unwind_memo *memo, size_t count);

/* Does a signal frame lie between the caller of the function whose frame address this is and `outer`, an address further out
 * on the stack? True as well when that cannot be told. */
bool unwind_meets_signal(const void *frame, uint64_t outer);

void unwind_forget(struct unwind_memo *memo);

#endif
