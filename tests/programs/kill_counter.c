/* Threads allocate and free, and count every call that has returned in a file's shared mapping, argument 1: four numbers a
 * thread (allocations, frees, small bytes allocated, small bytes freed). Runs until it is killed. */
#include "check.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { THREADS = 4, SLOTS = 64 };

static volatile uint64_t (*counters)[4];

/* A block's size says which thread made it, and as its how many-th. */
static void *work(void *argument) {
  volatile uint64_t *own = counters[(uintptr_t)argument];
  void *slots[SLOTS] = {0};
  for (uint64_t i = 0;; i++) {
    void **slot = &slots[i * 7 % SLOTS];
    if (*slot) {
      free(*slot);
      own[1]++;
    }
    *slot = malloc(100000 + 1000 * (uintptr_t)argument + i % 1000);
    own[0]++;
    void *small = malloc(i % 500);
    size_t usable = malloc_usable_size(small);
    own[2] += usable;
    free(small);
    own[3] += usable;
  }
  return NULL;
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  int fd = open(argv[1], O_RDWR);
  counters = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(counters != MAP_FAILED);
  pthread_t threads[THREADS];
  for (uintptr_t i = 1; i < THREADS; i++) {
    pthread_create(&threads[i], NULL, work, (void *)i);
  }
  work(NULL);
  return 0;
}
