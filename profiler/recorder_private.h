/* What recorder.c (threads, chunks, forks) and recorder_events.c share: the recorder's state. */
#ifndef ACTSCOPE_PROFILER_RECORDER_PRIVATE_H
#define ACTSCOPE_PROFILER_RECORDER_PRIVATE_H

#include "profiler/recorder.h"
#include "profiler/run_file.h"

#include <pthread.h>
#include <signal.h>

enum recorder_mode { MODE_NEW, MODE_ON, MODE_OFF };

struct recorder {
  enum recorder_mode mode;
  struct config config;
  struct run_file file;
  uint64_t *guard;     /* the generation that records, in a page that a fork wipes */
  uint64_t generation; /* the last one handed out */
  uint32_t pid;
  pthread_mutex_t lock;
  uint32_t gate;       /* forks that are near: no event may begin */
  bool has_membarrier; /* who forks can make every thread's stores visible, so that events need no fence */
  struct thread_state *threads, *free_threads;
  uint32_t streams;
  pthread_key_t key;
};
extern struct recorder recorder;

/* Signals stay out while the lock is held: a handler that allocates, or leaves by longjmp, would deadlock. */
void recorder_lock(sigset_t *before);
void recorder_unlock(const sigset_t *before);

static inline bool recorder_is_current(const struct thread_state *state) {
  return state && state->generation == __atomic_load_n(recorder_generation, __ATOMIC_RELAXED);
}

/* Continues the state's stream in a new chunk of this capacity (0: twice as large as the last one, up to a limit); false
 * when there is no more room, and recording has ended. Sums that are pending in the old chunk's header stay there: they
 * count after its last record. */
bool recorder_next_chunk(struct thread_state *state, size_t capacity);

#endif
