/* Events: what they hold and how one begins and ends. See recorder.h. */
#include "profiler/recorder_private.h"

#include "profiler/modules.h"
#include "profiler/tables.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Runs the writer's function, in a new chunk if there is no room in this one. */
#define WRITE(state, call) ((call) || (recorder_next_chunk(state, 0) && (call)))

/* ---- an event's beginning and end ------------------------------------------------------------------------------------ */

struct event {
  struct thread_state *state;
  int saved_errno;
};

static bool on_stack(const stack_t *stack, uintptr_t address) {
  return stack->ss_sp && address - (uintptr_t)stack->ss_sp < stack->ss_size;
}

/* in_event is set: either this is a signal handler inside that event, or longjmp has left it. Stacks grow downwards: on one
 * stack the event is over if its frame lies below, or if no signal came in between; and it is over if its frame is on the
 * stack for signals and we are not. */
static bool left_by_longjmp(const struct thread_state *state, const void *frame) {
  stack_t alternate = {0};
  syscall(SYS_sigaltstack, NULL, &alternate);
  bool event_there = on_stack(&alternate, state->event_frame);
  bool here_there = alternate.ss_flags & SS_ONSTACK;
  if (event_there != here_there) {
    return event_there;
  }
  return (uintptr_t)frame > state->event_frame || !unwind_meets_signal(frame, state->event_frame);
}

/* The event was left in the middle of a record: its chunk ends with the last whole one. */
static bool recover(struct thread_state *state, const void *frame) {
  if (!left_by_longjmp(state, frame)) {
    return false;
  }
  unwind_forget(&state->walk);
  python_stacks_forget(&state->python);
  __atomic_store_n(&state->busy, 0, __ATOMIC_SEQ_CST);
  return recorder_next_chunk(state, RUN_FILE_CHUNK_MIN);
}

/* A fork is near: wait, but not with the loader's lock held, which the one who forks may be waiting for. */
static void wait_at_gate(struct thread_state *state) {
  while (__atomic_load_n(&recorder.gate, __ATOMIC_SEQ_CST) && !state->locks_taken) {
    __atomic_store_n(&state->busy, 0, __ATOMIC_SEQ_CST);
    sched_yield();
    __atomic_store_n(&state->busy, 1, __ATOMIC_SEQ_CST);
  }
}

static bool begin_event(struct event *event, struct thread_state *state) {
  if (!state || state->locked) {
    return false;
  }
  *event = (struct event){.state = state, .saved_errno = errno};
  if (__builtin_expect(state->in_event, 0) && !recover(state, __builtin_frame_address(0))) {
    run_file_note_lost(&recorder.file);
    errno = event->saved_errno;
    return false;
  }
  state->event_frame = (uintptr_t)__builtin_frame_address(0);
  state->in_event = 1;
  if (__builtin_expect(recorder.has_membarrier, 1)) {
    __atomic_store_n(&state->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* the compiler keeps the order; see recorder_before_fork for the rest */
  } else {
    __atomic_store_n(&state->busy, 1, __ATOMIC_SEQ_CST);
  }
  if (__builtin_expect(__atomic_load_n(&recorder.gate, __ATOMIC_SEQ_CST), 0)) {
    wait_at_gate(state);
  }
  return true;
}

static void add_deferred(struct thread_state *state) {
  struct trace_small small = state->deferred;
  state->deferred = (struct trace_small){0};
  recorder_add(state->writer.base, TRACE_C_SMALL_ALLOC_BYTES, small.alloc_bytes);
  recorder_add(state->writer.base, TRACE_C_SMALL_ALLOC_COUNT, small.alloc_count);
  recorder_add(state->writer.base, TRACE_C_SMALL_FREE_BYTES, small.free_bytes);
  recorder_add(state->writer.base, TRACE_C_SMALL_FREE_COUNT, small.free_count);
}

static void end_event(struct event *event) {
  struct thread_state *state = event->state;
  if (__builtin_expect(state->deferred.alloc_count | state->deferred.free_count, 0)) {
    add_deferred(state);
  }
  __atomic_store_n(&state->busy, 0, __ATOMIC_RELEASE);
  state->in_event = 0;
  errno = event->saved_errno;
}

static uint32_t add_stack(struct thread_state *state, const struct stack_key *key, size_t count, bool has_lines) {
  const uint64_t *frames = unwind_frames(&state->walk, count);
  sigset_t before;
  recorder_lock(&before);
  modules_note(frames, count, run_file_now(&recorder.file));
  if (has_lines) {
    frames = python_stacks_splice(&state->python, frames, &count, recorder.config.stack_depth);
  }
  uint32_t id = tables_add_stack(key, frames, count);
  recorder_unlock(&before);
  return id;
}

static uint32_t capture_stack(struct thread_state *state, const void *frame) {
  struct stack_key key;
  if (recorder.config.stack_depth == 0) {
    return 0;
  }
  size_t count = unwind_walk(&state->walk, frame, recorder.config.stack_depth, &key);
  bool has_lines = __builtin_expect(__atomic_load_n(&python_stacks_on, __ATOMIC_ACQUIRE), 0) &&
                   python_stacks_take(&state->python, recorder.config.stack_depth, &key);
  if (count == 0 && !has_lines) {
    return 0;
  }
  uint32_t id = tables_find_stack(&key);
  return id ? id : add_stack(state, &key, count, has_lines);
}

/* Small blocks come first, so that the live total is exact at the event. */
static void write_small(struct thread_state *state, uint64_t now) {
  (void)WRITE(state, trace_write_small(&state->writer, now));
}

void recorder_small_flush(struct thread_state *state) {
  struct event event;
  if (begin_event(&event, state)) {
    write_small(state, run_file_now(&recorder.file));
    end_event(&event);
  }
}

static void write_alloc(struct thread_state *state, const void *block, size_t size, uint32_t stack, bool is_realloc) {
  uint64_t now = run_file_now(&recorder.file);
  write_small(state, now);
  (void)WRITE(state, trace_write_alloc(&state->writer, now, (uintptr_t)block, size, stack, is_realloc));
}

void recorder_alloc(struct thread_state *state, const void *block, size_t size, const void *frame) {
  struct event event;
  if (begin_event(&event, state)) {
    write_alloc(state, block, size, capture_stack(state, frame), false);
    end_event(&event);
  }
}

static uint32_t write_free(struct thread_state *state, const void *block, enum trace_free_kind kind,
                           const void *frame) {
  uint32_t stack = capture_stack(state, frame);
  uint64_t now = run_file_now(&recorder.file);
  write_small(state, now);
  (void)WRITE(state, trace_write_free(&state->writer, now, (uintptr_t)block, stack, kind));
  return stack;
}

void recorder_free(struct thread_state *state, const void *block, const void *frame) {
  struct event event;
  if (begin_event(&event, state)) {
    write_free(state, block, state->in_release ? TRACE_FREE_IN_RELEASE : TRACE_FREE_PLAIN, frame);
    end_event(&event);
  }
}

uint32_t recorder_realloc_free(struct thread_state *state, const void *block, const void *frame) {
  struct event event;
  uint32_t stack = 0;
  if (begin_event(&event, state)) {
    stack = write_free(state, block, TRACE_FREE_REALLOC, frame);
    end_event(&event);
  }
  return stack;
}

void recorder_realloc_alloc(struct thread_state *state, const void *block, size_t size, uint32_t stack,
                            const void *frame) {
  struct event event;
  if (begin_event(&event, state)) {
    write_alloc(state, block, size, stack ? stack : capture_stack(state, frame), true);
    end_event(&event);
  }
}

void recorder_map(const void *address, size_t size, bool unmap, const void *frame) {
  struct event event;
  if (size < recorder_min_size || !begin_event(&event, recorder_current())) {
    return;
  }
  struct thread_state *state = event.state;
  uint32_t stack = capture_stack(state, frame);
  uint64_t now = run_file_now(&recorder.file);
  (void)WRITE(state, trace_write_map(&state->writer, now, (uintptr_t)address, size, stack, unmap));
  end_event(&event);
}

/* ---- the probe's events ---------------------------------------------------------------------------------------------- */

void recorder_save(struct trace_save *save, const void *frame) {
  struct event event;
  if (begin_event(&event, recorder_current())) {
    struct thread_state *state = event.state;
    save->stack = capture_stack(state, frame);
    save->layer = state->layer;
    uint64_t now = run_file_now(&recorder.file);
    (void)WRITE(state, trace_write_save(&state->writer, now, save));
    end_event(&event);
  }
}

void recorder_release(uint64_t tensor, uint64_t node_type, uint32_t source) {
  struct event event;
  if (begin_event(&event, recorder_current())) {
    struct thread_state *state = event.state;
    uint64_t now = run_file_now(&recorder.file);
    (void)WRITE(state, trace_write_release(&state->writer, now, tensor, node_type, source, 0));
    end_event(&event);
  }
}

static uint32_t add_string(const char *bytes, size_t size) {
  sigset_t before;
  recorder_lock(&before);
  uint32_t id = tables_add_string(bytes, size);
  recorder_unlock(&before);
  return id;
}

void recorder_resident(uint64_t data, uint64_t bytes, uint32_t role, const char *name, size_t name_size) {
  struct event event;
  if (begin_event(&event, recorder_current())) {
    struct thread_state *state = event.state;
    uint32_t id = name_size && !state->locks_taken ? add_string(name, name_size) : 0;
    uint64_t now = run_file_now(&recorder.file);
    (void)WRITE(state, trace_write_resident(&state->writer, now, data, bytes, role, id));
    end_event(&event);
  }
}

void recorder_phase(uint32_t phase, bool begins) {
  struct event event;
  if (begin_event(&event, recorder_current())) {
    struct thread_state *state = event.state;
    uint64_t now = run_file_now(&recorder.file);
    (void)WRITE(state, trace_write_phase(&state->writer, now, phase, begins));
    end_event(&event);
  }
}

void recorder_region(struct trace_region *region, const void *frame) {
  struct event event;
  if (begin_event(&event, recorder_current())) {
    struct thread_state *state = event.state;
    region->stack = capture_stack(state, frame);
    region->layer = state->layer;
    uint64_t now = run_file_now(&recorder.file);
    (void)WRITE(state, trace_write_region(&state->writer, now, region));
    end_event(&event);
  }
}

void recorder_region_end(uint64_t data) {
  struct event event;
  if (begin_event(&event, recorder_current())) {
    struct thread_state *state = event.state;
    uint64_t now = run_file_now(&recorder.file);
    (void)WRITE(state, trace_write_region_end(&state->writer, now, data));
    end_event(&event);
  }
}

void recorder_step(void) {
  struct event event;
  if (begin_event(&event, recorder_current())) {
    struct thread_state *state = event.state;
    uint64_t now = run_file_now(&recorder.file);
    write_small(state, now);
    (void)WRITE(state, trace_write_step(&state->writer, now));
    end_event(&event);
  }
}

void recorder_meta(const char *key, const char *value) {
  struct event event;
  if (begin_event(&event, recorder_current())) {
    sigset_t before;
    recorder_lock(&before);
    tables_add_meta(key, value);
    recorder_unlock(&before);
    end_event(&event);
  }
}

void recorder_rank(int32_t rank, uint32_t world_size) {
  struct event event;
  if (begin_event(&event, recorder_current())) { /* a child of fork has a header of its own from here on */
    run_file_note_rank(&recorder.file, rank, world_size);
    end_event(&event);
  }
}

/* Strings are numbered anew in a child of fork, so that a handle is a string's number and the process it was given in. */
uint64_t recorder_name_handle(const char *name, size_t name_size) {
  struct event event;
  uint64_t handle = 0;
  if (begin_event(&event, recorder_current())) {
    uint32_t id = add_string(name, name_size);
    handle = id ? (uint64_t)recorder.pid << 32 | id : 0;
    end_event(&event);
  }
  return handle;
}

void recorder_layer(uint64_t handle) {
  struct thread_state *state = recorder_current();
  if (state) {
    state->layer = handle >> 32 == recorder.pid ? (uint32_t)handle : 0;
  }
}

/* ---- the loader ------------------------------------------------------------------------------------------------------ */

void recorder_forbid_locks(void) {
  struct thread_state *state = recorder_current();
  if (state) {
    state->locks_taken++;
  }
}

void recorder_allow_locks(void) {
  struct thread_state *state = recorder_thread;
  if (state && state->locks_taken) {
    state->locks_taken--;
  }
}

void recorder_modules_changed(void) {
  struct event event;
  if (begin_event(&event, recorder_current())) {
    sigset_t before;
    recorder_lock(&before);
    modules_sweep();
    recorder_unlock(&before);
    end_event(&event);
  }
}
