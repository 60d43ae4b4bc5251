/* The recorder under many threads at once, linked in, so that the thread sanitizer sees it all. A program of its own, since
 * Criterion does not run under that sanitizer. */
#include "profiler/recorder.h"
#include "tests/profiler/recorded.h"
#include "tests/support/files.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 6, ROUNDS = 3000, WAVES = 8 };

static char *folder;
static int failures;

#define EXPECT(condition)                                                                                              \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                  \
      __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);                                                              \
    }                                                                                                                  \
  } while (0)

#define FRAME __builtin_frame_address(0)

static void *at(uint64_t address) {
  return (void *)address; // NOLINT(performance-no-int-to-ptr)
}

static __attribute__((noinline)) void allocate(struct thread_state *state, uint64_t address, uint64_t path) {
  if (path) {
    allocate(state, address, path - 1);
  } else {
    recorder_alloc(state, at(address), 5000, FRAME);
  }
  __asm__ volatile("" ::: "memory");
}

static void others(uint64_t i) {
  struct trace_save save = {.tensor = i, .data = 0x1000, .bytes = 5000, .elements = 1250, .dtype = 6, .source = 1};
  switch (i % 97) {
  case 1:
    recorder_save(&save, FRAME);
    break;
  case 2:
    recorder_release(i, 0, TRACE_SOURCE_PROBE);
    break;
  case 3:
    recorder_resident(0x1000, 5000, TRACE_ROLE_PARAMETER, "weight", 6);
    break;
  case 4:
    recorder_meta("key", "value");
    break;
  case 5:
    recorder_modules_changed();
    break;
  case 6:
    recorder_map(at(0x10000000), 8192, i % 2, FRAME);
    break;
  default:
    break;
  }
}

static void *work(void *argument) {
  uint64_t base = (1 + (uintptr_t)argument) << 32;
  for (uint64_t i = 0; i < ROUNDS; i++) {
    struct thread_state *state = recorder_current();
    allocate(state, base + i * 16, i % 40);
    recorder_small_alloc(state, 32);
    recorder_small_free(state, 16);
    others(i);
    recorder_free(state, at(base + i * 16), FRAME);
  }
  return NULL;
}

static void run_threads(void) {
  pthread_t threads[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++) {
    EXPECT(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
}

static struct replay replay_own(void) {
  char name[64];
  snprintf(name, sizeof name, "run.%d", (int)getpid());
  recorder_note_exit();
  return replay_trace(path_join(folder, name).text);
}

static void *fork_often(void *unused) {
  (void)unused;
  for (int i = 0; i < 50; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      recorder_alloc(recorder_current(), at(0x5000), 5555, FRAME);
      _exit(recorder_config() ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    EXPECT(status == 0);
  }
  return NULL;
}

/* Waves of threads, the first of them while another one forks. */
int main(void) {
  pthread_t forker;
  folder = folder_make();
  setenv(CONFIG_ENV_TRACE, path_join(folder, "run").text, 1);
  recorder_init();
  EXPECT(recorder_config());
  EXPECT(pthread_create(&forker, NULL, fork_often, NULL) == 0);
  for (int wave = 0; wave < WAVES; wave++) {
    run_threads();
  }
  pthread_join(forker, NULL);
  struct replay replay = replay_own();
  EXPECT(replay.allocs == THREADS * ROUNDS * WAVES);
  EXPECT(replay.frees == THREADS * ROUNDS * WAVES);
  EXPECT(replay.small_alloc_bytes == 32u * THREADS * ROUNDS * WAVES);
  EXPECT(replay.double_allocs + replay.unknown_frees + replay.lost + replay.live_blocks == 0);
  EXPECT(replay.complete);
  replay_fini(&replay);
  folder_remove(folder);
  printf("recorder under threads: %s\n", failures ? "failed" : "passed");
  return failures != 0;
}
