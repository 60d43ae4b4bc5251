/* The frames of a snapshot as stacks of a trace. Private to snapshot*.c. */
#ifndef ACTSCOPE_IMPORTERS_SNAPSHOT_STACKS_H
#define ACTSCOPE_IMPORTERS_SNAPSHOT_STACKS_H

#include "importers/pickle.h"
#include "importers/run_writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of a frame: kept by number, which is the mark of its dictionary. */
struct snapshot_frame {
  uint64_t word;    /* as a trace has it */
  bool of_recorder; /* PyTorch's own, of taking the stack */
  bool of_release;  /* autograd lets go of what it saved */
};

struct snapshot_stacks { /* zeroed, but for the writer */
  struct run_writer *writer;
  struct snapshot_frame *frames; /* by number - 1 */
  size_t count, room;
  bool *release; /* by stack: a frame of it is of_release */
  size_t release_room;
};

/* The stack's number in the trace, 0 if there are no frames. */
uint32_t snapshot_stack(struct snapshot_stacks *stacks, const struct pickle_value *frames);
bool snapshot_stack_releases(const struct snapshot_stacks *stacks, uint32_t stack);

/* A stack of one frame that is no place in a program, but says what is known. */
uint32_t snapshot_stack_named(struct snapshot_stacks *stacks, const char *name);
void snapshot_stacks_fini(struct snapshot_stacks *stacks);

#endif
