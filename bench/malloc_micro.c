/* A micro-benchmark of what an allocator hook costs, timed from within: start-up and the launcher do not count.
 *
 *   malloc_micro pairs N            N pairs of malloc + free of 16 to 512 bytes: "ns_per_pair"
 *   malloc_micro deep N [DEPTH]     N pairs of 4 KiB to 64 KiB below DEPTH (30) frames, 256 different stacks:
 *                                   "ns_per_event", a malloc or a free being one event
 *   malloc_micro churn N [SLOTS]    N times one of SLOTS (10000) live blocks is replaced, sizes 16 B to 16 KiB, 256
 *                                   stacks: a trace with the variety of a real one, for its size and its analysis
 *
 * Prints one line, `name value`, to stdout. The sequence is the same on every run. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEPTH_DEFAULT = 30, SLOTS_DEFAULT = 10000 };

/* xorshift64*: cheap, and the same everywhere. */
static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t random_next(void) {
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return random_state * 0x2545f4914f6cdd1du;
}

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* One write a block, so that neither the compiler nor lazy paging makes the pair disappear. */
static void touch(void *block) {
  *(volatile char *)block = 1;
}

static void *checked(void *block) {
  if (!block) {
    perror("malloc_micro");
    exit(1);
  }
  touch(block);
  return block;
}

/* ---- a stack of `depth` frames, the innermost eight chosen by the bits of `path`: 256 distinct stacks --------- */

typedef void *(*leaf_function)(void *argument, size_t size);

static void *descend_left(unsigned depth, unsigned path, leaf_function leaf, void *argument, size_t size);
static void *descend_right(unsigned depth, unsigned path, leaf_function leaf, void *argument, size_t size);

/* The asm after the call keeps the compiler from turning it into a jump, which would leave no frame. */
#define DESCEND(name)                                                                                                  \
  __attribute__((noinline)) static void *name(unsigned depth, unsigned path, leaf_function leaf, void *argument,       \
                                              size_t size) {                                                           \
    void *result;                                                                                                      \
    if (depth == 0) {                                                                                                  \
      result = leaf(argument, size);                                                                                   \
    } else if (depth <= 8 && path >> (depth - 1) & 1) {                                                                \
      result = descend_left(depth - 1, path, leaf, argument, size);                                                    \
    } else {                                                                                                           \
      result = descend_right(depth - 1, path, leaf, argument, size);                                                   \
    }                                                                                                                  \
    __asm__ volatile("" : "+r"(result) : : "memory");                                                                  \
    return result;                                                                                                     \
  }
DESCEND(descend_left)
DESCEND(descend_right)

/* main, the benchmark, the leaf and the allocator's own frame count too. */
static unsigned levels(unsigned depth) {
  return depth > 5 ? depth - 5 : 0;
}

static void *leaf_pair(void *argument, size_t size) {
  (void)argument;
  free(checked(malloc(size)));
  return NULL;
}

static void *leaf_replace(void *argument, size_t size) {
  free(argument);
  return checked(malloc(size));
}

/* ---- the three benchmarks ---------------------------------------------------------------------------------------- */

static void bench_pairs(uint64_t count, unsigned unused) {
  (void)unused;
  double begin = now_ns();
  for (uint64_t i = 0; i < count; i++) {
    free(checked(malloc(16 + (i * 48 & 0x1ff))));
  }
  printf("ns_per_pair %.3f\n", (now_ns() - begin) / (double)count);
}

static void bench_deep(uint64_t count, unsigned depth) {
  double begin = now_ns();
  for (uint64_t i = 0; i < count; i++) {
    uint64_t random = random_next();
    descend_left(levels(depth), random & 0xff, leaf_pair, NULL, 4096 + (random >> 8 & 0xf) * 4096);
  }
  printf("ns_per_event %.3f\n", (now_ns() - begin) / (2 * (double)count));
}

static void bench_churn(uint64_t count, unsigned slots) {
  void **blocks = calloc(slots, sizeof *blocks);
  if (!blocks) {
    perror("malloc_micro");
    exit(1);
  }
  double begin = now_ns();
  for (uint64_t i = 0; i < count; i++) {
    uint64_t random = random_next();
    void **slot = &blocks[(random >> 24) % slots];
    size_t size = (size_t)16 << (random >> 8) % 11;
    *slot = descend_left(levels(DEPTH_DEFAULT), random & 0xff, leaf_replace, *slot, size);
  }
  printf("ns_per_event %.3f\n", (now_ns() - begin) / (2 * (double)count));
  for (unsigned i = 0; i < slots; i++) {
    free(blocks[i]);
  }
  free(blocks);
}

static const struct bench {
  const char *name;
  void (*run)(uint64_t count, unsigned parameter);
  unsigned parameter;
} benches[] = {
    {"pairs", bench_pairs, 0},
    {"deep", bench_deep, DEPTH_DEFAULT},
    {"churn", bench_churn, SLOTS_DEFAULT},
};

int main(int argc, char **argv) {
  uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
  for (size_t i = 0; count > 0 && i < sizeof benches / sizeof benches[0]; i++) {
    if (strcmp(argv[1], benches[i].name) == 0) {
      unsigned long given = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
      benches[i].run(count, given > 0 ? (unsigned)given : benches[i].parameter);
      return 0;
    }
  }
  fprintf(stderr, "usage: malloc_micro pairs|deep|churn N [DEPTH|SLOTS]\n");
  return 2;
}
