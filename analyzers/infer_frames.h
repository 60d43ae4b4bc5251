/* What the functions on a stack say about a training loop, where they have telling names. */
#ifndef ACTSCOPE_ANALYZERS_INFER_FRAMES_H
#define ACTSCOPE_ANALYZERS_INFER_FRAMES_H

#include "analyzers/map64.h"
#include "analyzers/op_name.h"
#include "analyzers/symbols.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct infer_frames {
  const struct trace_reader *reader; /* borrowed, like symbols and names */
  struct symbols *symbols;
  struct op_names *names;
  struct map64 functions; /* return address -> a bit for "looked at" and what its functions say */
  uint8_t *stacks;        /* the same by stack */
  uint32_t stacks_limit;
  bool has_libtorch; /* whose backward pass cannot hide: its functions are named */
};

/* The first three fields are set, the rest zero. 0, or ERROR_MEMORY. */
int infer_frames_init(struct infer_frames *frames);
void infer_frames_fini(struct infer_frames *frames);

/* Is a function of a backward pass on the stack, by its name (libtorch's engine, or "backward" in it)? */
bool infer_frames_backward(struct infer_frames *frames, uint32_t stack);

/* Is it within a backward pass, but computes a forward pass again: below a function of Python's that the backward pass calls,
 * such as a checkpoint's? */
bool infer_frames_recomputes(struct infer_frames *frames, uint32_t stack);

size_t infer_frames_depth(const struct infer_frames *frames, uint32_t stack);

/* Class of the node whose backward pass, or whose letting go, is on the stack: "GeluBackward0"; "" if none is. Interned. */
const char *infer_frames_node(struct infer_frames *frames, uint32_t stack);

#endif
