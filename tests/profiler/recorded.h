/* Runs a program of tests/programs under the real preload library and tells what its trace holds. */
#ifndef ACTSCOPE_TESTS_RECORDED_H
#define ACTSCOPE_TESTS_RECORDED_H

#include "profiler/launch.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Path of a program of tests/programs in the build tree; in a static buffer. */
const char *recorded_program(const char *name);

/* One recording. Zeroed options: recorded_run fills in the output, and the defaults of `actscope record`. */
struct recorded {
  struct launch_options options;
  bool keep_min_size; /* options.min_size is meant as it is, even if 0 */
  char *folder;       /* of its own, unless it is set before */
  struct launch_result result;
  char *output; /* what the program wrote to stdout */
  size_t output_size;
  int code; /* of launch_run */
  struct error err;
};

/* Runs program (a name of tests/programs, or a path with a slash) with these arguments, NULL at the end. */
void recorded_run(struct recorded *run, const char *program, ...);
void recorded_fini(struct recorded *run);

/* What a trace holds, replayed. */
struct replay {
  uint64_t allocs, frees, maps, unmaps, reallocs, lost, saves;
  uint64_t double_allocs, unknown_frees; /* an ALLOC at a live address, a FREE of one that is not: order is wrong */
  uint64_t live_bytes, live_blocks, peak_bytes;
  uint64_t mapped_bytes; /* MAP less UNMAP */
  uint64_t small_alloc_bytes, small_free_bytes, small_allocs, small_frees;
  uint64_t without_stack;
  uint64_t *sizes; /* of every ALLOC, in order */
  size_t threads;  /* distinct tids, up to 4096 */
  bool complete;
  uint32_t flags, stop_reason;
  int exit_status, pid;
  char damage[256], own_malloc[256], allocator[256], deepbind[256], own_operator_new[256], no_usable_size[256];
  size_t modules;
};

/* Reads the trace at path; aborts the test when it does not read to the end. */
struct replay replay_trace(const char *path);
void replay_fini(struct replay *replay);

/* How many ALLOC events have this size. */
uint64_t replay_count_size(const struct replay *replay, uint64_t size);

#endif
