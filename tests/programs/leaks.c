/* Allocates as C programs do, in ways that are known to the block: a loop of temporaries, a growing buffer, a list that is never
 * given back, small blocks. Prints what a report must say. */
#include "tests/programs/check.h"

#include <stdlib.h>
#include <string.h>

enum { TEMPORARIES = 2000, LEAKS = 150, SMALL = 700, GROWTHS = 50 };

static char *volatile kept[LEAKS + SMALL + 1]; /* found by no leak checker: still reachable */

static char *take(size_t bytes) {
  char *block = malloc(bytes);
  CHECK(block);
  memset(block, 1, bytes);
  return block;
}

static size_t work(void) {
  for (int i = 0; i < TEMPORARIES; i++) {
    free(take(8000));
  }
  return (size_t)TEMPORARIES * 8000;
}

static size_t leak(void) {
  size_t bytes = 0;
  for (int i = 0; i < LEAKS; i++) {
    kept[i] = take(5000 + (size_t)i);
    bytes += 5000 + (size_t)i;
  }
  return bytes;
}

static size_t grow(void) {
  size_t bytes = 0;
  char *buffer = NULL;
  for (int i = 1; i <= GROWTHS; i++) {
    char *larger = realloc(buffer, (size_t)i * 10000);
    CHECK(larger);
    buffer = larger;
    bytes += (size_t)i * 10000;
  }
  kept[LEAKS] = buffer;
  return bytes;
}

int main(void) {
  const size_t worked = work(), leaked = leak(), grown = grow();
  for (int i = 0; i < SMALL; i++) {
    kept[LEAKS + 1 + i] = take(40);
  }
  print("work %d %zu %d 0 0\n", TEMPORARIES, worked, TEMPORARIES);
  print("leak %d %zu 0 %d %zu\n", LEAKS, leaked, LEAKS, leaked);
  print("grow %d %zu %d 1 %d\n", GROWTHS, grown, GROWTHS - 1, GROWTHS * 10000);
  print("small %d %d\n", SMALL, SMALL * 40);
  return 0;
}
