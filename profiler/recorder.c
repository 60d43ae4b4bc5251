/* Threads, chunks and events: see the header.
 *
 * Locks, in this order: recorder.lock (chunks, tables; all signals blocked while it is held) before the loader's and
 * libunwind's. A thread inside dl_iterate_phdr holds the loader's, so it takes none of ours (`locks_taken`). */
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
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum mode { MODE_NEW, MODE_ON, MODE_OFF };

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
  pthread_mutex_t lock;
  uint32_t gate; /* 1: fork is near, no event may begin */
  struct thread_state *threads, *free_threads;
  uint32_t streams;
  pthread_key_t key;
} recorder = {.lock = PTHREAD_MUTEX_INITIALIZER};

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
  recorder.mode = MODE_OFF;
  if (recorder.guard) {
    __atomic_store_n(recorder.guard, 0, __ATOMIC_RELAXED);
  }
}

/* A new trace of this process: at start, and in a child after fork. */
static void begin_trace(void) {
  recorder.mode = MODE_OFF;
  if (!run_file_create(&recorder.file, &recorder.config) || !tables_init(&recorder.file)) {
    return;
  }
  modules_init(&recorder.file);
  recorder.threads = NULL;
  recorder.free_threads = NULL;
  recorder.streams = 0;
  recorder_min_size = recorder.config.min_size;
  recorder.mode = MODE_ON;
  modules_refresh();
  __atomic_store_n(recorder.guard, ++recorder.generation, __ATOMIC_RELEASE);
}

static void end_thread(void *argument);

void recorder_init(void) {
  if (recorder.mode != MODE_NEW) {
    return;
  }
  recorder.mode = MODE_OFF;
  bool wanted = config_read(&recorder.config);
  if (!wanted || (!recorder.config.follow && recorder.config.root_pid != (uint32_t)getpid())) {
    return;
  }
  recorder.guard = arena_map_wiped_on_fork();
  if (!recorder.guard || pthread_key_create(&recorder.key, end_thread) != 0) {
    return;
  }
  recorder_generation = recorder.guard;
  unwind_init();
  begin_trace();
}

/* In the first hook that a child of fork enters: the guard page has been wiped, everything else is the parent's copy.
 * The parent's chunks are left mapped and alone. */
static void become_child(void) {
  pthread_mutex_init(&recorder.lock, NULL);
  recorder.gate = 0;
  recorder_thread = NULL;
  if (recorder.config.follow) {
    begin_trace();
  } else {
    stop_recording();
  }
}

void recorder_before_fork(void) {
  if (recorder.mode != MODE_ON) {
    return;
  }
  struct thread_state *own = recorder_thread;
  __atomic_store_n(&recorder.gate, 1, __ATOMIC_SEQ_CST);
  for (struct thread_state *t = __atomic_load_n(&recorder.threads, __ATOMIC_ACQUIRE); t; t = t->next) {
    while (t != own && __atomic_load_n(&t->busy, __ATOMIC_SEQ_CST)) {
      sched_yield();
    }
  }
}

void recorder_after_fork(void) {
  __atomic_store_n(&recorder.gate, 0, __ATOMIC_SEQ_CST);
}

void recorder_note_exit(void) {
  struct thread_state *state = recorder_thread;
  if (recorder.mode == MODE_ON && *recorder.guard == recorder.generation) {
    run_file_note_end(&recorder.file, run_file_now(&recorder.file));
    if (state && state->generation == recorder.generation && !state->in_event) {
      recorder_small_flush(state);
    }
  }
}

const struct config *recorder_config(void) {
  return recorder.mode == MODE_ON ? &recorder.config : NULL;
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
  uint64_t now = run_file_now(&recorder.file);
  trace_write_small(&state->writer, now);
  run_file_unmap_chunk(state->writer.base, state->capacity);
  trace_chunk_begin(&state->writer, base, (uint32_t)capacity, TRACE_CHUNK_EVENTS, state->stream, state->sequence++, now,
                    state->tid);
  state->capacity = capacity;
  return true;
}

static bool next_chunk(struct thread_state *state) {
  if (state->locks_taken) {
    run_file_note_lost(&recorder.file);
    return false;
  }
  sigset_t before;
  lock(&before);
  bool done = next_chunk_locked(state);
  unlock(&before);
  return done;
}

/* Runs the writer's function, in a new chunk if there is no room in this one. */
#define WRITE(state, call) ((call) || (next_chunk(state) && (call)))

static struct thread_state *make_thread_locked(void) {
  struct thread_state *state = recorder.free_threads;
  if (state) {
    recorder.free_threads = state->next_free;
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

struct thread_state *recorder_enter_thread(void) {
  if (recorder.mode == MODE_NEW) {
    recorder_init();
  }
  if (recorder.mode != MODE_ON) {
    return NULL;
  }
  int saved_errno = errno;
  if (*recorder.guard != recorder.generation) {
    become_child();
    if (recorder.mode != MODE_ON) {
      errno = saved_errno;
      return NULL;
    }
  }
  sigset_t before;
  lock(&before);
  struct thread_state *state = recorder_thread; /* a signal handler may have been here first */
  if (!state || state->generation != recorder.generation) {
    state = make_thread_locked();
    recorder_thread = state;
    if (state) {
      state->tid = (uint32_t)syscall(SYS_gettid);
      state->in_event = 1; /* pthread_setspecific may allocate */
      trace_write_thread(&state->writer, run_file_now(&recorder.file), state->tid);
      pthread_setspecific(recorder.key, state);
      state->in_event = 0;
    }
  }
  unlock(&before);
  errno = saved_errno;
  return state;
}

/* The thread ends: its stream goes to the next new thread. Should a later destructor allocate, the thread gets a state
 * anew and this is called once more. */
static void end_thread(void *argument) {
  struct thread_state *state = argument;
  if (state != recorder_thread || state->generation != *recorder_generation) {
    return;
  }
  recorder_small_flush(state);
  sigset_t before;
  lock(&before);
  recorder_thread = NULL;
  state->next_free = recorder.free_threads;
  recorder.free_threads = state;
  unlock(&before);
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

struct event {
  struct thread_state *state;
  uint64_t time_ns;
  int saved_errno;
};

/* in_event still set by an event whose frame lies below this one: longjmp out of a signal handler has left it. Stacks
 * grow downwards; on an alternate signal stack nothing is concluded. */
static bool left_by_longjmp(const struct thread_state *state) {
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  return here > state->event_frame && here - state->event_frame < (1u << 20);
}

static bool begin_event(struct event *event, struct thread_state *state) {
  if (!state) {
    return false;
  }
  if (state->in_event && !left_by_longjmp(state)) {
    run_file_note_lost(&recorder.file);
    return false;
  }
  *event = (struct event){.state = state, .saved_errno = errno};
  state->event_frame = (uintptr_t)__builtin_frame_address(0);
  state->in_event = 1;
  __atomic_store_n(&state->busy, 1, __ATOMIC_SEQ_CST);
  while (__builtin_expect(__atomic_load_n(&recorder.gate, __ATOMIC_SEQ_CST), 0)) {
    __atomic_store_n(&state->busy, 0, __ATOMIC_SEQ_CST);
    sched_yield();
    __atomic_store_n(&state->busy, 1, __ATOMIC_SEQ_CST);
  }
  return true;
}

static void end_event(struct event *event) {
  __atomic_store_n(&event->state->busy, 0, __ATOMIC_RELEASE);
  event->state->in_event = 0;
  errno = event->saved_errno;
}

static void refresh_modules(void) {
  sigset_t before;
  lock(&before);
  if (modules_refresh()) {
    unwind_flush();
  }
  unlock(&before);
}

static uint32_t capture_stack(struct thread_state *state, const void *caller) {
  if (state->locks_taken || recorder.config.stack_depth == 0) {
    return 0;
  }
  if (modules_stale()) {
    refresh_modules();
  }
  size_t count = unwind_capture(state->frames, recorder.config.stack_depth, caller);
  if (count == 0) {
    return 0;
  }
  uint32_t id = tables_find_stack(state->frames, count);
  if (id == 0) {
    sigset_t before;
    lock(&before);
    id = tables_add_stack(state->frames, count);
    unlock(&before);
  }
  return id;
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

void recorder_alloc(struct thread_state *state, const void *block, size_t size, const void *caller) {
  struct event event;
  if (begin_event(&event, state)) {
    write_alloc(state, block, size, capture_stack(state, caller), false);
    end_event(&event);
  }
}

static uint32_t write_free(struct thread_state *state, const void *block, enum trace_free_kind kind,
                           const void *caller) {
  uint32_t stack = capture_stack(state, caller);
  uint64_t now = run_file_now(&recorder.file);
  write_small(state, now);
  (void)WRITE(state, trace_write_free(&state->writer, now, (uintptr_t)block, stack, kind));
  return stack;
}

void recorder_free(struct thread_state *state, const void *block, const void *caller) {
  struct event event;
  if (begin_event(&event, state)) {
    write_free(state, block, state->in_release ? TRACE_FREE_IN_RELEASE : TRACE_FREE_PLAIN, caller);
    end_event(&event);
  }
}

uint32_t recorder_realloc_free(struct thread_state *state, const void *block, const void *caller) {
  struct event event;
  uint32_t stack = 0;
  if (begin_event(&event, state)) {
    stack = write_free(state, block, TRACE_FREE_REALLOC, caller);
    end_event(&event);
  }
  return stack;
}

void recorder_realloc_alloc(struct thread_state *state, const void *block, size_t size, uint32_t stack,
                            const void *caller) {
  struct event event;
  if (begin_event(&event, state)) {
    write_alloc(state, block, size, stack ? stack : capture_stack(state, caller), true);
    end_event(&event);
  }
}

void recorder_map(const void *address, size_t size, bool unmap, const void *caller) {
  struct event event;
  struct thread_state *state = recorder_current();
  /* Inside an event it is libunwind that maps memory for its caches: ours, not the program's. */
  if (size < recorder_min_size || !state || state->in_event || !begin_event(&event, state)) {
    return;
  }
  uint32_t stack = capture_stack(state, caller);
  uint64_t now = run_file_now(&recorder.file);
  (void)WRITE(state, trace_write_map(&state->writer, now, (uintptr_t)address, size, stack, unmap));
  end_event(&event);
}

/* ---- the probe's events ---------------------------------------------------------------------------------------------- */

void recorder_save(struct trace_save *save, const void *caller) {
  struct event event;
  if (begin_event(&event, recorder_current())) {
    struct thread_state *state = event.state;
    save->stack = capture_stack(state, caller);
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

void recorder_modules_unloading(void) {
  if (recorder.mode == MODE_ON) {
    modules_unloading();
  }
}

void recorder_modules_changed(void) {
  struct event event;
  if (begin_event(&event, recorder_current())) {
    if (!event.state->locks_taken) {
      refresh_modules();
    }
    end_event(&event);
  }
}
