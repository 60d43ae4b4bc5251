/* Loops that allocate and free again and again, some of them in reverse order, and train nothing.
 *
 *   lookalikes server|queue|recursion|pipeline|list|stack|cache */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 40, BYTES = 100000, PARTS = 12 };

struct node {
  struct node *next;
  char rest[8000];
};

static volatile unsigned sink;

static char *make(size_t bytes) {
  char *made = malloc(bytes);
  if (!made) {
    exit(1);
  }
  memset(made, 1, bytes);
  return made;
}

static void work(char *at, size_t bytes) {
  unsigned sum = 0;
  for (size_t i = 0; i < bytes; i++) {
    at[i] = (char)(at[i] * 31 + (int)sum);
    sum += (unsigned char)at[i];
  }
  sink = sum;
}

/* Buffer upon buffer for a request; all are dropped at its end, the last one first. */
static void server(void) {
  char *parts[PARTS];
  for (int i = 0; i < PARTS; i++) {
    parts[i] = make(BYTES + 1000u * (unsigned)(i % 3));
    work(parts[i], BYTES);
  }
  for (int i = PARTS - 1; i >= 0; i--) {
    free(parts[i]);
  }
}

static void queue(void) {
  char *parts[PARTS];
  for (int i = 0; i < PARTS; i++) {
    parts[i] = make(BYTES);
    work(parts[i], BYTES);
  }
  for (int i = 0; i < PARTS; i++) {
    char *result = make(BYTES);
    work(parts[i], BYTES);
    free(parts[i]);
    free(result);
  }
}

/* Volatile: the calls must nest. */
static void nest(volatile int depth) {
  char *mine = make(BYTES);
  work(mine, BYTES);
  if (depth) {
    nest(depth - 1);
  }
  char *result = make(BYTES);
  work(mine, BYTES);
  free(result);
  free(mine);
}

static void recursion(void) {
  nest(PARTS);
}

static void pipeline(void) {
  char *last = make(BYTES);
  for (int i = 0; i < PARTS; i++) {
    char *next = make(BYTES);
    memcpy(next, last, BYTES);
    work(next, BYTES);
    free(last);
    last = next;
  }
  free(last);
}

static void list(void) {
  struct node *head = NULL;
  for (int i = 0; i < PARTS * 4; i++) {
    struct node *node = (struct node *)make(sizeof *node);
    work(node->rest, sizeof node->rest);
    node->next = head;
    head = node;
  }
  while (head) {
    struct node *next = head->next;
    free(head);
    head = next;
  }
}

/* The last job first, each with its work. */
static void stack(void) {
  char *jobs[PARTS];
  for (int i = 0; i < PARTS; i++) {
    jobs[i] = make(BYTES);
    work(jobs[i], BYTES);
  }
  for (int i = PARTS - 1; i >= 0; i--) {
    work(jobs[i], BYTES);
    free(jobs[i]);
  }
}

static void cache(void) {
  static char *entries[PARTS];
  static int next;
  next = (next + 1) % PARTS;
  free(entries[next]);
  entries[next] = make(BYTES);
  char *answer = make(BYTES / 2);
  work(answer, BYTES / 2);
  free(answer);
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*round)(void);
  } kinds[] = {{"server", server}, {"queue", queue}, {"recursion", recursion}, {"pipeline", pipeline},
               {"list", list},     {"stack", stack}, {"cache", cache}};
  for (size_t i = 0; argc > 1 && i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(argv[1], kinds[i].name) == 0) {
      for (int round = 0; round < ROUNDS; round++) {
        kinds[i].round();
      }
      return 0;
    }
  }
  fputs("Usage: lookalikes server|queue|recursion|pipeline|list|stack|cache\n", stderr);
  return 2;
}
