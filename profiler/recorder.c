/* Start and stop, forks, threads and their chunks: see recorder.h.
 *
 * One lock of ours: recorder.lock (chunks, tables, modules), with all signals blocked while it is held and no other lock
 * taken beneath it. Stacks are walked outside it, without locks. A thread inside dl_iterate_phdr holds the loader's lock, and must
 * not wait for others (`locks_taken`). */
#include "profiler/recorder_private.h"

#include "profiler/arena.h"
#include "profiler/modules.h"
#include "profiler/tables.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { FORK_PATIENCE_NS = 1000000000 };

static const uint64_t no_generation;

__thread struct thread_state *recorder_thread __attribute__((tls_model("initial-exec")));
const uint64_t *recorder_generation = &no_generation;
uint64_t recorder_min_size;

struct recorder recorder = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Set when the thread's destructors run: what it still allocates comes late. */
static __thread bool thread_ends __attribute__((tls_model("initial-exec")));

static enum recorder_mode current_mode(void) {
  return (enum recorder_mode)__atomic_load_n(&recorder.mode, __ATOMIC_ACQUIRE);
}

static void set_mode(enum recorder_mode mode) {
  __atomic_store_n(&recorder.mode, mode, __ATOMIC_RELEASE);
}

static uint32_t own_pid(void) {
  return (uint32_t)syscall(SYS_getpid); /* libc might remember the parent's */
}

/* ---- lock ---------------------------------------------------------------------------------------------------------- */

void recorder_lock(sigset_t *before) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, before);
  pthread_mutex_lock(&recorder.lock);
  if (recorder_thread) {
    recorder_thread->locked = 1;
  }
}

void recorder_unlock(const sigset_t *before) {
  if (recorder_thread) {
    recorder_thread->locked = 0;
  }
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

/* Processes of a job are told apart by their machines too. */
static void write_host(void) {
  struct utsname names;
  if (uname(&names) == 0) {
    tables_add_meta("host", names.nodename);
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
  recorder.has_membarrier = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  write_modules();
  write_host();
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
  begin_trace(modules_start);
}

/* In the first hook that a child of fork enters: the guard page has been wiped, everything else is the parent's copy.
 * The parent's chunks are left mapped and alone. */
static void become_child(void) {
  set_mode(MODE_OFF);
  pthread_mutex_init(&recorder.lock, NULL);
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
  /* Each thread has either seen the gate by now, or is seen to be busy. */
  syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
  for (struct thread_state *t = __atomic_load_n(&recorder.threads, __ATOMIC_ACQUIRE); t; t = t->next) {
    if (t != recorder_thread) {
      wait_while_busy(t);
    }
  }
}

void recorder_after_fork(void) {
  uint32_t gate = __atomic_load_n(&recorder.gate, __ATOMIC_SEQ_CST);
  while (gate &&
         !__atomic_compare_exchange_n(&recorder.gate, &gate, gate - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
  }
}

void recorder_settle(void) {
  recorder_before_fork();
  recorder_after_fork();
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
  if (recorder_is_current(state) && !state->in_event) {
    recorder_small_flush(state);
  }
}

const struct config *recorder_config(void) {
  return current_mode() == MODE_ON ? &recorder.config : NULL;
}

/* ---- chunks and threads ---------------------------------------------------------------------------------------------- */

static size_t next_capacity(const struct thread_state *state) {
  size_t capacity = state->capacity ? state->capacity * 2 : RUN_FILE_CHUNK_MIN;
  return capacity > RUN_FILE_CHUNK_MAX ? RUN_FILE_CHUNK_MAX : capacity;
}

static bool next_chunk_locked(struct thread_state *state, size_t capacity) {
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

bool recorder_next_chunk(struct thread_state *state, size_t capacity) {
  sigset_t before;
  recorder_lock(&before);
  bool done = recorder_is_current(state) && next_chunk_locked(state, capacity ? capacity : next_capacity(state));
  recorder_unlock(&before);
  return done;
}

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
  if (!next_chunk_locked(state, next_capacity(state))) {
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
  state->in_event = 0;
  __atomic_store_n(&state->busy, 0, __ATOMIC_RELAXED);
  state->in_release = 0;
  state->layer = 0;
  state->locks_taken = 0;
  state->locked = 1;           /* pthread_setspecific may allocate */
  unwind_forget(&state->walk); /* another stack; and what is known of the last thread's may be unmapped */
  state->walk.range = (struct unwind_range){0};
  python_stacks_forget(&state->python);
  if (!trace_write_thread(&state->writer, run_file_now(&recorder.file), state->tid) &&
      next_chunk_locked(state, next_capacity(state))) {
    trace_write_thread(&state->writer, run_file_now(&recorder.file), state->tid);
  }
  pthread_setspecific(recorder.key, state);
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
    recorder_lock(&before);
    if (!recorder_is_current(recorder_thread)) { /* a signal handler may have been here first */
      enter_thread_locked();
    }
    recorder_unlock(&before);
  }
  errno = saved_errno;
  return recorder_is_current(recorder_thread) ? recorder_thread : NULL;
}

/* The thread ends: its stream goes to the next new thread. Should a later destructor allocate, the thread gets a state
 * anew and this is called once more. */
static void end_thread(void *argument) {
  struct thread_state *state = argument;
  thread_ends = true;
  if (state != recorder_thread || !recorder_is_current(state)) {
    return;
  }
  recorder_small_flush(state);
  sigset_t before;
  recorder_lock(&before);
  recorder_thread = NULL;
  state->locked = 0;
  state->late = false;
  state->next_free = recorder.free_threads;
  recorder.free_threads = state;
  recorder_unlock(&before);
}
