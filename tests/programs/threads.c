/* Threads: `waves` of short-lived ones whose last destructors allocate, `cross` where one frees what another made, `churn`
 * where many fight for the same few addresses. */
#include "check.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { WAVE = 64, WAVES = 20, QUEUE = 128, CROSSINGS = 20000 };

/* ---- waves */

static pthread_key_t key;

/* Runs four times, POSIX's limit, each time after everybody else's destructors. */
static void last_words(void *value) {
  free(value);
  free(malloc(8000));
  pthread_setspecific(key, malloc(7000));
}

static void *short_life(void *argument) {
  pthread_setspecific(key, malloc(9000));
  void *result = malloc(5000 + (uintptr_t)argument);
  return result;
}

static void waves(void) {
  pthread_t threads[WAVE];
  pthread_key_create(&key, last_words);
  for (int wave = 0; wave < WAVES; wave++) {
    for (uintptr_t i = 0; i < WAVE; i++) {
      CHECK(pthread_create(&threads[i], NULL, short_life, (void *)i) == 0);
    }
    for (int i = 0; i < WAVE; i++) {
      void *result;
      pthread_join(threads[i], &result);
      free(result);
    }
  }
}

/* ---- cross */

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  void *items[QUEUE];
  int count;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void *produce(void *unused) {
  (void)unused;
  for (int i = 0; i < CROSSINGS; i++) {
    void *block = malloc(4096 + (size_t)i % 7 * 1000);
    pthread_mutex_lock(&queue.lock);
    while (queue.count == QUEUE) {
      pthread_cond_wait(&queue.changed, &queue.lock);
    }
    queue.items[queue.count++] = block;
    pthread_cond_broadcast(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
  }
  return NULL;
}

static void *consume(void *unused) {
  (void)unused;
  for (int i = 0; i < CROSSINGS; i++) {
    pthread_mutex_lock(&queue.lock);
    while (queue.count == 0) {
      pthread_cond_wait(&queue.changed, &queue.lock);
    }
    void *block = queue.items[--queue.count];
    pthread_cond_broadcast(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
    free(block);
  }
  return NULL;
}

static void run(void *(*const *functions)(void *), int count) {
  pthread_t threads[16];
  for (int i = 0; i < count; i++) {
    CHECK(pthread_create(&threads[i], NULL, functions[i], NULL) == 0);
  }
  for (int i = 0; i < count; i++) {
    pthread_join(threads[i], NULL);
  }
}

static void cross(void) {
  void *(*const functions[])(void *) = {produce, consume, produce, consume};
  run(functions, 4);
}

/* ---- churn: all threads take from and put into the same slots, with realloc too */

static void *shared[16];

static void *churn_one(void *unused) {
  (void)unused;
  for (int i = 0; i < 20000; i++) {
    void *block = __atomic_exchange_n(&shared[i % 16], NULL, __ATOMIC_ACQ_REL);
    block = i % 3 ? realloc(block, 4096 + (size_t)i % 50 * 100) : (free(block), malloc(10000));
    free(__atomic_exchange_n(&shared[(i * 5 + 1) % 16], block, __ATOMIC_ACQ_REL));
  }
  return NULL;
}

static void churn(void) {
  void *(*const functions[])(void *) = {churn_one, churn_one, churn_one, churn_one};
  run(functions, 4);
  for (int i = 0; i < 16; i++) {
    free(shared[i]);
  }
}

/* ---- stacks: threads with the smallest stacks there are, which fork too */

static void *on_little(void *unused) {
  (void)unused;
  for (int i = 0; i < 20; i++) {
    free(malloc(6000 + (size_t)i));
  }
  pid_t pid = fork();
  if (pid == 0) {
    free(malloc(6666));
    _exit(0);
  }
  int status;
  CHECK(waitpid(pid, &status, 0) == pid && status == 0);
  return NULL;
}

static void stacks(void) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  CHECK(pthread_attr_setstacksize(&attributes, (size_t)sysconf(_SC_THREAD_STACK_MIN)) == 0);
  for (int i = 0; i < 20; i++) {
    pthread_t thread;
    CHECK(pthread_create(&thread, &attributes, on_little, NULL) == 0);
    pthread_join(thread, NULL);
  }
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  strcmp(mode, "waves") == 0    ? waves()
  : strcmp(mode, "stacks") == 0 ? stacks()
  : strcmp(mode, "cross") == 0  ? cross()
  : strcmp(mode, "churn") == 0  ? churn()
                                : exit(2);
  return 0;
}
