/* The recorder: per-thread state, chunks and events. What the preload library's hooks call, and what tests link.
 *
 * Every entry point may be called on any thread at any time, also before main, in signal handlers and in the last
 * destructors; none allocates from the heap, prints or exits. errno is preserved. */
#ifndef ACTSCOPE_PROFILER_RECORDER_H
#define ACTSCOPE_PROFILER_RECORDER_H

#include "profiler/config.h"
#include "profiler/python_stacks.h"
#include "profiler/unwind.h"
#include "trace/trace_writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One per thread that is alive; reused by a later thread when its own has ended. Only its thread touches it, but for
 * `busy`, which fork waits for. */
struct thread_state {
  uint64_t generation; /* of the recorder that it belongs to: a child after fork has another */
  struct trace_chunk_writer writer;
  uint32_t in_event; /* the hook is not to be entered again (a signal handler, our own calls) */
  uint32_t busy;     /* inside an event: the recorder's lock may be held */
  size_t capacity;   /* of the writer's chunk */
  uint32_t stream, sequence, tid;
  uint32_t locks_taken;        /* inside dl_iterate_phdr, see recorder_forbid_locks */
  uint32_t locked;             /* inside recorder_lock: whatever is called then is called by ourselves */
  uint32_t in_release;         /* inside SavedVariable::reset_data() */
  uint32_t layer;              /* string: the layer whose forward pass is under way on this thread, 0 = none known */
  bool late;                   /* its thread was ending already when it came: nobody may say when it is free */
  uintptr_t event_frame;       /* stack address of the event in course, to notice that longjmp has left it */
  struct trace_small deferred; /* small blocks while in_event: the event may be about to move the chunk's sums */
  struct thread_state *next, *next_free;
  struct unwind_memo walk;
  struct python_memo python;
};

/* The calling thread's state and the generation that is recording; for the inline functions below only. initial-exec: a
 * preload library's TLS is laid out at start, and the default model would call malloc on a thread's first access. */
extern __thread struct thread_state *recorder_thread __attribute__((tls_model("initial-exec")));
extern const uint64_t *recorder_generation; /* in a page wiped on fork: 0 in a child, or when nothing is recorded */
extern uint64_t recorder_min_size;

/* Starts recording as the environment says, once; later calls do nothing. */
void recorder_init(void);
/* Marks the regular end of the process in the trace. Recording goes on: other destructors still free memory. */
void recorder_note_exit(void);

/* The calling thread's state, made when it has none; NULL when this process does not record. */
struct thread_state *recorder_enter_thread(void);

static inline struct thread_state *recorder_current(void) {
  struct thread_state *state = recorder_thread;
  if (__builtin_expect(state && state->generation == __atomic_load_n(recorder_generation, __ATOMIC_RELAXED), 1)) {
    return state;
  }
  return recorder_enter_thread();
}

/* Events. `frame` is the hook's own __builtin_frame_address(0): the stack begins with the hook's caller. */
void recorder_alloc(struct thread_state *state, const void *block, size_t size, const void *frame);
void recorder_free(struct thread_state *state, const void *block, const void *frame);
void recorder_map(const void *address, size_t size, bool unmap, const void *frame);
void recorder_small_flush(struct thread_state *state);

/* realloc is two events with one stack, the first before and the second after the real call. */
uint32_t recorder_realloc_free(struct thread_state *state, const void *block, const void *frame);
void recorder_realloc_alloc(struct thread_state *state, const void *block, size_t size, uint32_t stack,
                            const void *frame);

/* Of the autograd probe. `save->stack` and `save->layer` are filled in here. */
void recorder_save(struct trace_save *save, const void *frame);
void recorder_release(uint64_t tensor, uint64_t node_type, uint32_t source);
void recorder_resident(uint64_t data, uint64_t bytes, uint32_t role, const char *name, size_t name_size);
void recorder_phase(uint32_t phase, bool begins);
/* Of marks. `region->stack` and `region->layer` are filled in here. */
void recorder_region(struct trace_region *region, const void *frame);
void recorder_region_end(uint64_t data);
void recorder_step(void);
void recorder_meta(const char *key, const char *value);
void recorder_rank(int32_t rank, uint32_t world_size);

/* Layers: what the calling thread saves from here on is of this one. `handle` is what recorder_name_handle gave for a
 * name, 0 = of none; one that another process was given (this one's parent) counts as none. */
uint64_t recorder_name_handle(const char *name, size_t name_size);
void recorder_layer(uint64_t handle);

/* Around code that holds the loader's lock on this thread, which must not wait for others in between. */
void recorder_forbid_locks(void);
void recorder_allow_locks(void);

/* Around every fork that runs no pthread_atfork handlers (the others come here by themselves): no other thread is inside an
 * event meanwhile, so that no lock is copied held. */
void recorder_before_fork(void);
void recorder_after_fork(void);
void recorder_after_fork_in_child(void);

/* Returns when the events of other threads that were under way have ended: what they looked at may go then. */
void recorder_settle(void);

/* After dlclose. */
void recorder_modules_changed(void);

const struct config *recorder_config(void); /* NULL before init or when nothing is recorded */

/* Bytes that small blocks may add or give back on a thread before they are written out as an event. */
#define RECORDER_SMALL_SLACK (64u << 10)

static inline void recorder_add(uint8_t *base, int offset, uint64_t value) {
  *(uint64_t *)(void *)(base + offset) += value;
}

static inline void recorder_check_slack(struct thread_state *state) {
  const uint8_t *base = state->writer.base;
  uint64_t net = *(const uint64_t *)(const void *)(base + TRACE_C_SMALL_ALLOC_BYTES) -
                 *(const uint64_t *)(const void *)(base + TRACE_C_SMALL_FREE_BYTES);
  if (__builtin_expect(net + RECORDER_SMALL_SLACK > 2 * (uint64_t)RECORDER_SMALL_SLACK, 0)) {
    recorder_small_flush(state);
  }
}

/* The fast path of every small block: two additions to the chunk header in the shared mapping. */
static inline void recorder_small_alloc(struct thread_state *state, size_t usable) {
  if (__builtin_expect(state->in_event, 0)) {
    state->deferred.alloc_bytes += usable;
    state->deferred.alloc_count++;
    return;
  }
  recorder_add(state->writer.base, TRACE_C_SMALL_ALLOC_BYTES, usable);
  recorder_add(state->writer.base, TRACE_C_SMALL_ALLOC_COUNT, 1);
  recorder_check_slack(state);
}

static inline void recorder_small_free(struct thread_state *state, size_t usable) {
  if (__builtin_expect(state->in_event, 0)) {
    state->deferred.free_bytes += usable;
    state->deferred.free_count++;
    return;
  }
  recorder_add(state->writer.base, TRACE_C_SMALL_FREE_BYTES, usable);
  recorder_add(state->writer.base, TRACE_C_SMALL_FREE_COUNT, 1);
  recorder_check_slack(state);
}

#endif
