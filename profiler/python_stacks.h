/* Lines of Python in stacks, with `record --python-stacks`: the frames of the interpreter take the places of the evaluation
 * functions that run them.
 *
 * Nothing here is on before the start-up file (startup/actscope_python.py) has found that what is read is what Python says
 * of itself, and nothing is after it has said that the interpreter is about to end. Of the interpreter's functions one is
 * called, PyGILState_GetThisThreadState, which reads a thread-specific value and takes no lock.
 *
 * What is known of a code object is known by its address, so all of it is forgotten whenever one dies: the type's destructor
 * is ours, counts, and calls the true one. What is written is known by content: code that is compiled again is the same. */
#ifndef ACTSCOPE_PROFILER_PYTHON_STACKS_H
#define ACTSCOPE_PROFILER_PYTHON_STACKS_H

#include "profiler/config.h"
#include "profiler/python_walk.h"
#include "profiler/stack_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PYTHON_KNOWN_BITS = 11, PYTHON_LINES_KNOWN = 1 << PYTHON_KNOWN_BITS };

/* One frame of a thread's last walk, and the stack's key from the outermost frame to it. */
struct python_step {
  uint64_t code;
  uint32_t at;
  bool entry;
  uint64_t frame; /* as a trace has it, 0 = none is written of it */
  struct stack_key key;
};

/* A line that was looked up. */
struct python_line {
  uint64_t code, deaths, frame;
  uint32_t at;
};

/* A thread's; zeroed before the first walk. */
struct python_memo {
  struct python_guard guard;
  uint64_t deaths; /* of code objects, when `steps` was made */
  size_t count;
  struct python_step steps[CONFIG_STACK_DEPTH_MAX];  /* outermost first */
  struct python_frame fresh[CONFIG_STACK_DEPTH_MAX]; /* innermost first */
  struct python_line known[PYTHON_LINES_KNOWN];      /* direct-mapped */
  uint64_t spliced[CONFIG_STACK_DEPTH_MAX];
};

extern bool python_stacks_on;

/* When another thread takes the memo over, and when a walk may have been left in the middle. */
static inline void python_stacks_forget(struct python_memo *memo) {
  memo->count = 0;
  memo->guard.epoch = 0;
}

/* Walks over the calling thread's frames, `max` at most, and makes them part of the key. Returns their number. */
size_t python_stacks_take(struct python_memo *memo, size_t max, struct stack_key *key);

/* The native frames of the same moment, innermost first, with those of the last walk in their places: `max` frames at most, the
 * innermost. */
const uint64_t *python_stacks_splice(struct python_memo *memo, const uint64_t *frames, size_t *count, size_t max);

/* What the start-up file tells of the interpreter; it holds the interpreter's lock. */
struct python_start {
  uint32_t version;    /* PY_VERSION_HEX */
  const void *offsets; /* the beginning of _PyRuntime, NULL: by the table of versions */
  size_t offsets_size;
  void *(*thread)(void);  /* PyGILState_GetThisThreadState */
  void *code_type;        /* PyCode_Type */
  const void *evaluate;   /* _PyEval_EvalFrameDefault, or NULL */
  const char *own_folder; /* of the start-up files, whose frames are not the program's */
};

enum python_refusal {
  PYTHON_FITS = 0,
  PYTHON_UNKNOWN_VERSION,
  PYTHON_NO_GUARD,   /* reads cannot be guarded here */
  PYTHON_NOT_WANTED, /* nothing is recorded, or no lines are */
  PYTHON_ANOTHER,    /* another interpreter has come before */
};

/* Prepares; nothing is on yet. May be called again, with other offsets. */
enum python_refusal python_stacks_prepare(const struct python_start *start);

/* The calling thread's frames as they would be recorded, innermost first: "file\0name\0line\0" each. Returns the bytes at
 * *looks, which the next call overwrites; -1: they cannot be read. For the test, on one thread at a time. */
long python_stacks_look(const char **looks);

/* How many code objects have died since python_stacks_prepare. */
uint64_t python_stacks_deaths(void);

void python_stacks_enable(bool on);

#endif
