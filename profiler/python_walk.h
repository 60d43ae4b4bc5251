/* The calling thread's Python frames, read from the interpreter's own structures: no call of the interpreter, no lock of it.
 *
 * A thread's frames are its own, whether or not it holds the interpreter's lock: nobody else pushes or pops them, and each
 * keeps its code object alive. */
#ifndef ACTSCOPE_PROFILER_PYTHON_WALK_H
#define ACTSCOPE_PROFILER_PYTHON_WALK_H

#include "profiler/python_guard.h"
#include "profiler/python_layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PYTHON_NOT_BEGUN = INT32_MAX };

struct python_frame {
  uint64_t code; /* address of the code object */
  uint32_t at;   /* the instruction: bytes from the first one; PYTHON_NOT_BEGUN */
  bool
      entry; /* called from C: an evaluation function of its own runs it, and those that it calls up to the next entry */
};

/* Walks from a PyThreadState on (0: there is none, so there are no frames): at most `max` frames, innermost first. Call
 * python_guard_enter before. */
size_t python_walk(const struct python_layout *layout, struct python_guard *guard, uint64_t thread,
                   struct python_frame *frames, size_t max);

#endif
