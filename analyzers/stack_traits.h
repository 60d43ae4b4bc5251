/* What the frames of a stack say about the block that is allocated or freed there: functions that are under way only where a
 * certain kind of memory is made or given back. */
#ifndef ACTSCOPE_ANALYZERS_STACK_TRAITS_H
#define ACTSCOPE_ANALYZERS_STACK_TRAITS_H

#include "analyzers/map64.h"
#include "analyzers/symbols.h"
#include "trace/trace_reader.h"

#include <stdint.h>

enum stack_trait {
  STACK_OF_TENSOR = 1,       /* memory of a tensor, by PyTorch's own allocator */
  STACK_IN_NETWORK_OP = 2,   /* in an operator that computes what layers compute: no data loading */
  STACK_IN_ANY_OP = 1024,    /* in one that computes of tensors what both layers and data loaders do: add, cat */
  STACK_IN_LIKE_OP = 4,      /* in one that makes a tensor like another one: zeros_like, clone */
  STACK_IN_BACKWARD = 8,     /* below the autograd engine */
  STACK_IN_UPDATE_HOOK = 16, /* a hook that runs once a gradient is there: an optimizer within backward */
  STACK_IN_AUTOCAST = 32,
  STACK_IN_CUSTOM_FUNCTION = 512, /* a torch.autograd.Function of the program's or of torch.compile's computes */
  STACK_IN_REDUCER = 64,          /* DistributedDataParallel's copies of gradients */
  STACK_IN_FOREACH = 256,         /* arithmetic on a list of tensors, as an optimizer's on all parameters */
  STACK_IN_OWN_BACKWARD = 1024,   /* below the autograd engine in the program's code: a custom function, a hook */
  STACK_IN_TEARDOWN = 128,        /* the program has ended: the interpreter or libc cleans up */
};

struct stack_traits {
  const struct trace_reader *reader; /* borrowed, like symbols */
  struct symbols *symbols;
  uint16_t *known; /* by stack id: traits and a bit for "looked at" */
  uint32_t stacks_limit;
  struct map64 frames; /* the same by frame: stacks differ, frames recur */
};

/* The first two fields are set. 0, or ERROR_MEMORY. */
int stack_traits_init(struct stack_traits *traits);
void stack_traits_fini(struct stack_traits *traits);

/* Bits of enum stack_trait; 0 for a stack that is not there. */
unsigned stack_traits_of(struct stack_traits *traits, uint32_t stack);

/* The same for stacks that are equal from where they end to the autograd engine, whatever called backward; 0: it is in no
 * backward pass. */
uint64_t stack_traits_backward_place(struct stack_traits *traits, uint32_t stack);

#endif
