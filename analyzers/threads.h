/* What the analysis keeps of each thread: how many events it had, and the forward ops it is in whose return matters. */
#ifndef ACTSCOPE_ANALYZERS_THREADS_H
#define ACTSCOPE_ANALYZERS_THREADS_H

#include "analyzers/map64.h"

#include <stddef.h>
#include <stdint.h>

/* A forward op whose return is awaited: the operator's frame, as a return address and its depth from the outermost end,
 * which stays while the op is on the stack. */
struct op_watch {
  uint64_t address;
  size_t depth; /* frames from the outermost one to this, itself included; 0: no frame yet */
  uint32_t holder;
  uint32_t stack;   /* of the save */
  unsigned returns; /* ops that still have to return: 2 where the saved block is the op's result */
};

struct thread_state {
  uint32_t tid;
  uint64_t events;
  uint64_t
      last_alloc; /* address of the block that this thread allocated last, 0: freed since, or a small one followed */
  struct op_watch *watches;
  size_t watches_count, watches_capacity;
};

struct threads {       /* zeroed is empty */
  struct map64 by_tid; /* tid + 1 -> index + 1 */
  struct thread_state *items;
  size_t count, capacity;
  size_t last; /* index of the thread asked for last */
};

void threads_fini(struct threads *threads);
/* The state of a thread, new if it was not seen before. NULL: no memory. Good until the next call. */
struct thread_state *threads_get(struct threads *threads, uint32_t tid);
/* A new watch at the end of the thread's. NULL: no memory. */
struct op_watch *thread_watch_add(struct thread_state *thread);

#endif
