/* Threads, chunks and events: see the header.
 *
 * One lock of ours: recorder.lock (chunks, tables, modules), with all signals blocked while it is held and no other lock
 * taken beneath it. Stacks are walked outside it. Only where libunwind must help does an event take libunwind's locks and
 * the loader's, which is why a thread inside dl_iterate_phdr must not (`locks_taken`). */
#include "profiler/recorder.h"

#include "profiler/arena.h"
#include "profiler/modules.h"
#include "profiler/tables.h"
#include "profiler/run_file.h"
#include "profiler/unwind.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum mode { MODE_NEW, MODE_ON, MODE_OFF };
enum { FORK_PATIENCE_NS = 1000000000 };

static const uint64_t no_generation;

__thread struct thread_state *recorder_thread __attribute__((tls_model("initial-exec")));
const uint64_t *recorder_generation = &no_generation;
uint64_t recorder_min_size;

static struct {
  enum mode mode;
  struct config config;
  struct run_file file;
  uint64_t *guard;     /* the generation that records, in a page that a fork wipes */
  uint64_t generation; /* the last one handed out */
  uint32_t pid;
  pthread_mutex_t lock;
  uint32_t gate; /* forks that are near: no event may begin */
  bool forked_blindly; /* by a bare system call, which may have copied libunwind's locks held: they are not taken */
  struct thread_state *threads, *free_threads;
  uint32_t streams;
  pthread_key_t key;
} recorder = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Set when the thread's destructors run: what it still allocates comes late. */
static __thread bool thread_ends __attribute__((tls_model("initial-exec")));

static enum mode current_mode(void) {
  return (enum mode)__atomic_load_n(&recorder.mode, __ATOMIC_ACQUIRE);
}

static void set_mode(enum mode mode) {
  __atomic_store_n(&recorder.mode, mode, __ATOMIC_RELEASE);
}

static uint32_t own_pid(void) {
  return (uint32_t)syscall(SYS_getpid); /* libc might remember the parent's */
}

static bool is_current(const struct thread_state *state) {
  return state && state->generation == __atomic_load_n(recorder_generation, __ATOMIC_RELAXED);
}

/* ---- lock ---------------------------------------------------------------------------------------------------------- */

/* Signals stay out while the lock is held: a handler that allocates, or leaves by longjmp, would deadlock. */
static void lock(sigset_t *before) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, before);
  pthread_mutex_lock(&recorder.lock);
}

static void unlock(const sigset_t *before) {
  pthread_mutex_unlock(&recorder.lock);
  pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* ---- start, stop, fork --------------------------------------------------------------------------------------------- */

static void stop_recording(void) {
  set_mode(MODE_OFF);
  if (recorder.guard) {
    __atomic_store_n(recorder.guard, 0, __ATOMIC_RELAXED);
  }
}

/* A new trace of this process: at start, and in a child after fork. Until it is whole, nothing is recorded. */
static void begin_trace(void (*write_modules)(void)) {
  set_mode(MODE_OFF);
  if (!run_file_create(&recorder.file, &recorder.config) || !tables_init(&recorder.file)) {
    return;
  }
  recorder.threads = NULL;
  recorder.free_threads = NULL;
  recorder.streams = 0;
  recorder.pid = own_pid();
  recorder_min_size = recorder.config.min_size;
  write_modules();
  __atomic_store_n(recorder.guard, ++recorder.generation, __ATOMIC_RELAXED);
  set_mode(MODE_ON);
}

static void end_thread(void *argument);

void recorder_init(void) {
  if (current_mode() != MODE_NEW) {
    return;
  }
  set_mode(MODE_OFF);
  bool wanted = config_read(&recorder.config);
  if (!wanted || (!recorder.config.follow && recorder.config.root_pid != own_pid())) {
    return;
  }
  recorder.guard = arena_map_wiped_on_fork();
  if (!recorder.guard || pthread_key_create(&recorder.key, end_thread) != 0 ||
      pthread_atfork(recorder_before_fork, recorder_after_fork, recorder_after_fork_in_child) != 0) {
    return;
  }
  recorder_generation = recorder.guard;
  unwind_init();
  begin_trace(modules_start);
}

/* In the first hook that a child of fork enters: the guard page has been wiped, everything else is the parent's copy.
 * The parent's chunks are left mapped and alone. */
static void become_child(void) {
  set_mode(MODE_OFF);
  pthread_mutex_init(&recorder.lock, NULL);
  recorder.forked_blindly |= recorder.pid != 0 && !__libc_single_threaded;
  recorder.gate = 0;
  recorder_thread = NULL;
  if (recorder.config.follow) {
    begin_trace(modules_restart);
  }
}

/* A thread that has left its event by longjmp, and does nothing more, stays busy for ever: so there is a limit. */
static void wait_while_busy(const struct thread_state *state) {
  uint64_t begin = run_file_now(&recorder.file);
  while (__atomic_load_n(&state->busy, __ATOMIC_SEQ_CST) && run_file_now(&recorder.file) - begin < FORK_PATIENCE_NS) {
    sched_yield();
  }
}

void recorder_before_fork(void) {
  if (current_mode() != MODE_ON) {
    return;
  }
  __atomic_fetch_add(&recorder.gate, 1, __ATOMIC_SEQ_CST);
  for (struct thread_state *t = __atomic_load_n(&recorder.threads, __ATOMIC_ACQUIRE); t; t = t->next) {
    if (t != recorder_thread) {
      wait_while_busy(t);
    }
  }
}

void recorder_after_fork(void) {
  uint32_t gate = __atomic_load_n(&recorder.gate, __ATOMIC_SEQ_CST);
  while (gate && !__atomic_compare_exchange_n(&recorder.gate, &gate, gate - 1, false, __ATOMIC_SEQ_CST,
                                              __ATOMIC_SEQ_CST)) {
  }
}

void recorder_after_fork_in_child(void) {
  struct thread_state *state = recorder_thread;
  recorder.gate = 0;
  recorder.pid = 0; /* tells become_child that the locks are free */
  /* A signal handler may have forked in the middle of an event: what the child adds to that must not reach the chunk, which
   * it shares with its parent. */
  if (state && state->in_event) {
    arena_map_over(state->writer.base, state->capacity);
  }
}

void recorder_note_exit(void) {
  struct thread_state *state = recorder_thread;
  /* A child of vfork that could not exec ends here too, in its parent's memory. */
  if (current_mode() != MODE_ON || __atomic_load_n(recorder.guard, __ATOMIC_RELAXED) != recorder.generation ||
      recorder.pid != own_pid()) {
    return;
  }
  run_file_note_end(&recorder.file, run_file_now(&recorder.file));
  if (is_current(state) && !state->in_event) {
    recorder_small_flush(state);
  }
}

const struct config *recorder_config(void) {
  return current_mode() == MODE_ON ? &recorder.config : NULL;
}

/* ---- chunks and threads ---------------------------------------------------------------------------------------------- */

/* Continues the state's stream in a new chunk, twice as large up to a limit. False: no more room, recording has ended. */
static bool next_chunk_locked(struct thread_state *state) {
  size_t capacity = state->capacity ? state->capacity * 2 : RUN_FILE_CHUNK_MIN;
  capacity = capacity > RUN_FILE_CHUNK_MAX ? RUN_FILE_CHUNK_MAX : capacity;
  uint8_t *base = run_file_map_chunk(&recorder.file, capacity);
  if (!base) {
    stop_recording();
    return false;
  }
  run_file_unmap_chunk(state->writer.base, state->capacity);
  trace_chunk_begin(&state->writer, base, (uint32_t)capacity, TRACE_CHUNK_EVENTS, state->stream, state->sequence++,
                    run_file_now(&recorder.file), state->tid);
  state->capacity = capacity;
  return true;
}

/* Sums that are pending in the old chunk's header stay there: they count after its last record. */
static bool next_chunk(struct thread_state *state) {
  sigset_t before;
  lock(&before);
  bool done = is_current(state) && next_chunk_locked(state);
  unlock(&before);
  return done;
}

/* Runs the writer's function, in a new chunk if there is no room in this one. */
#define WRITE(state, call) ((call) || (next_chunk(state) && (call)))

/* A state whose thread ended without saying so: that happens when it allocated in its very last destructors. */
static struct thread_state *reclaim_locked(void) {
  for (struct thread_state *t = recorder.threads; t; t = t->next) {
    if (t->late && syscall(SYS_tgkill, recorder.pid, t->tid, 0) != 0 && errno == ESRCH) {
      return t;
    }
  }
  return NULL;
}

static struct thread_state *make_thread_locked(void) {
  struct thread_state *state = recorder.free_threads;
  if (state) {
    recorder.free_threads = state->next_free;
    return state;
  }
  state = reclaim_locked();
  if (state) {
    return state;
  }
  state = arena_map(sizeof *state);
  if (!state) {
    return NULL;
  }
  state->generation = recorder.generation;
  state->stream = ++recorder.streams;
  if (!next_chunk_locked(state)) {
    arena_unmap(state, sizeof *state);
    return NULL;
  }
  state->next = recorder.threads;
  __atomic_store_n(&recorder.threads, state, __ATOMIC_RELEASE);
  return state;
}

static void enter_thread_locked(void) {
  struct thread_state *state = make_thread_locked();
  recorder_thread = state;
  if (!state) {
    return;
  }
  state->late = thread_ends;
  state->tid = (uint32_t)syscall(SYS_gettid);
  state->in_release = 0;
  state->locks_taken = 0;
  state->in_event = 1; /* pthread_setspecific may allocate */
  unwind_forget(&state->walk); /* another stack; and what is known of the last thread's may be unmapped */
  state->walk.low = state->walk.high = 0;
  if (!trace_write_thread(&state->writer, run_file_now(&recorder.file), state->tid) && next_chunk_locked(state)) {
    trace_write_thread(&state->writer, run_file_now(&recorder.file), state->tid);
  }
  pthread_setspecific(recorder.key, state);
  state->in_event = 0;
}

struct thread_state *recorder_enter_thread(void) {
  if (current_mode() == MODE_NEW) {
    recorder_init();
  }
  if (current_mode() != MODE_ON) {
    return NULL;
  }
  int saved_errno = errno;
  if (__atomic_load_n(recorder.guard, __ATOMIC_RELAXED) != recorder.generation) {
    become_child();
  }
  if (current_mode() == MODE_ON) {
    sigset_t before;
    lock(&before);
    if (!is_current(recorder_thread)) { /* a signal handler may have been here first */
      enter_thread_locked();
    }
    unlock(&before);
  }
  errno = saved_errno;
  return is_current(recorder_thread) ? recorder_thread : NULL;
}

/* The thread ends: its stream goes to the next new thread. Should a later destructor allocate, the thread gets a state
 * anew and this is called once more. */
static void end_thread(void *argument) {
  struct thread_state *state = argument;
  thread_ends = true;
  if (state != recorder_thread || !is_current(state)) {
    return;
  }
  recorder_small_flush(state);
  sigset_t before;
  lock(&before);
  recorder_thread = NULL;
  state->late = false;
  state->next_free = recorder.free_threads;
  recorder.free_threads = state;
  unlock(&before);
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

struct event {
  struct thread_state *state;
  int saved_errno;
};

static bool on_stack(const stack_t *stack, uintptr_t address) {
  return stack->ss_sp && address - (uintptr_t)stack->ss_sp < stack->ss_size;
}

/* in_event is set: either this is a signal handler inside that event, or longjmp has left it. Stacks grow downwards, so on
 * the same stack the event is over if its frame lies below; and it is over if its frame is on the stack for signals and we
 * are not. */
static bool left_by_longjmp(const struct thread_state *state, uintptr_t here) {
  stack_t alternate = {0};
  syscall(SYS_sigaltstack, NULL, &alternate);
  bool event_there = on_stack(&alternate, state->event_frame);
  bool here_there = alternate.ss_flags & SS_ONSTACK;
  return event_there == here_there ? here > state->event_frame : event_there;
}

/* The event was left in the middle of a record: its chunk ends with the last whole one. */
static bool recover(struct thread_state *state) {
  if (!left_by_longjmp(state, (uintptr_t)__builtin_frame_address(0))) {
    return false;
  }
  unwind_forget(&state->walk);
  __atomic_store_n(&state->busy, 0, __ATOMIC_SEQ_CST);
  return next_chunk(state);
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
  if (!state) {
    return false;
  }
  *event = (struct event){.state = state, .saved_errno = errno};
  if (__builtin_expect(state->in_event, 0) && !recover(state)) {
    run_file_note_lost(&recorder.file);
    errno = event->saved_errno;
    return false;
  }
  state->event_frame = (uintptr_t)__builtin_frame_address(0);
  state->in_event = 1;
  __atomic_store_n(&state->busy, 1, __ATOMIC_SEQ_CST);
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

static uint32_t add_stack(struct thread_state *state, const struct stack_key *key, size_t count) {
  const uint64_t *frames = unwind_frames(&state->walk, count);
  sigset_t before;
  lock(&before);
  modules_note(frames, count, run_file_now(&recorder.file));
  uint32_t id = tables_add_stack(key, frames, count);
  unlock(&before);
  return id;
}

static uint32_t capture_stack(struct thread_state *state, const void *frame) {
  struct stack_key key;
  if (recorder.config.stack_depth == 0) {
    return 0;
  }
  bool may_lock = !state->locks_taken && !recorder.forked_blindly;
  size_t count = unwind_walk(&state->walk, frame, recorder.config.stack_depth, may_lock, &key);
  if (count == 0) {
    return 0;
  }
  uint32_t id = tables_find_stack(&key);
  return id ? id : add_stack(state, &key, count);
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
  struct thread_state *state = recorder_current();
  /* Inside an event it is libunwind that maps memory for its caches: ours, not the program's. */
  if (size < recorder_min_size || !state || state->in_event || !begin_event(&event, state)) {
    return;
  }
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
  lock(&before);
  uint32_t id = tables_add_string(bytes, size);
  unlock(&before);
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

void recorder_meta(const char *key, const char *value) {
  struct event event;
  if (begin_event(&event, recorder_current())) {
    sigset_t before;
    lock(&before);
    tables_add_meta(key, value);
    unlock(&before);
    end_event(&event);
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
    uint64_t epoch = code_epoch();
    sigset_t before;
    lock(&before);
    modules_sweep();
    unlock(&before);
    if (code_epoch() != epoch && !event.state->locks_taken && !recorder.forked_blindly) {
      unwind_flush();
    }
    end_event(&event);
  }
}
