/* An array of threads, a map into it, and a memory of the last one: events come in runs of one thread. */
#include "analyzers/threads.h"

#include <stdlib.h>

void threads_fini(struct threads *threads) {
  for (size_t i = 0; i < threads->count; i++) {
    free(threads->items[i].watches);
  }
  free(threads->items);
  map64_fini(&threads->by_tid);
  *threads = (struct threads){0};
}

/* Makes room for one more item of `size` bytes; the array, moved perhaps, or NULL. */
static void *reserve(void *items, size_t count, size_t *capacity, size_t size) {
  if (count < *capacity) {
    return items;
  }
  size_t larger = *capacity ? *capacity * 2 : 8;
  void *moved = realloc(items, larger * size);
  *capacity = moved ? larger : *capacity;
  return moved;
}

static struct thread_state *add(struct threads *threads, uint32_t tid, uint64_t *index) {
  void *items = reserve(threads->items, threads->count, &threads->capacity, sizeof *threads->items);
  if (!items) {
    return NULL;
  }
  threads->items = items;
  threads->items[threads->count] = (struct thread_state){.tid = tid};
  threads->last = threads->count++;
  *index = threads->count;
  return &threads->items[threads->last];
}

struct thread_state *threads_get(struct threads *threads, uint32_t tid) {
  if (threads->last < threads->count && threads->items[threads->last].tid == tid) {
    return &threads->items[threads->last];
  }
  uint64_t *index = map64_put(&threads->by_tid, (uint64_t)tid + 1);
  if (!index) {
    return NULL;
  }
  if (!*index) {
    return add(threads, tid, index);
  }
  threads->last = *index - 1;
  return &threads->items[threads->last];
}

struct op_watch *thread_watch_add(struct thread_state *thread) {
  void *watches = reserve(thread->watches, thread->watches_count, &thread->watches_capacity, sizeof *thread->watches);
  if (!watches) {
    return NULL;
  }
  thread->watches = watches;
  thread->watches[thread->watches_count] = (struct op_watch){0};
  return &thread->watches[thread->watches_count++];
}
