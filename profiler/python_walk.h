/* The calling thread's Python frames, read from the interpreter's own structures: no call of the interpreter, no lock of it.
 *
 * A thread's frames are its own, whether or not it holds the interpreter's lock: nobody else pushes or pops them, and each
 * keeps its code object alive. */
#ifndef ACTSCOPE_PROFILER_PYTHON_WALK_H
#define ACTSCOPE_PROFILER_PYTHON_WALK_H

#include "profiler/config.h"
#include "profiler/python_guard.h"
#include "profiler/python_layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct python_frame {
  uint64_t code;      /* address of the code object */
  uint32_t at;        /* the instruction: bytes from the first one */
  uint32_t entry : 1; /* called from C: an evaluation function of its own runs it */
  uint32_t number : 31; /* of the code object, see python_code.h; 0 = not looked up */
};

/* A thread's last walk; zeroed before the first one. */
struct python_memo {
  struct python_guard guard;
  size_t count;
  struct python_frame frames[CONFIG_STACK_DEPTH_MAX]; /* innermost first */
};

/* Walks from a PyThreadState on (0: there is none, so there are no frames): at most `max` frames, the innermost. */
size_t python_walk(const struct python_layout *layout, uint64_t tstate, struct python_memo *memo, size_t max);

#endif
