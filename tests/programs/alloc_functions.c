/* Calls every allocation function once, with sizes that name it. Modes: `functions`, `peak` (a known peak of the heap),
 * `small` (blocks below the minimal size, live at the end), `errno` (which no hook may change), `overflow`. */
#include "check.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* What a call gave that must fail. */
static int is_refused(const void *block) {
  return !block;
}

static void functions(void) {
  void *block;
  free(malloc(100001));
  free(calloc(3, 100002));
  free(realloc(realloc(NULL, 100003), 100004));
  free(reallocarray(NULL, 5, 100005));
  CHECK(posix_memalign(&block, 256, 100006) == 0);
  free(block);
  free(aligned_alloc(64, 100032));
  free(memalign(128, 100008));
  free(valloc(100009));
  free(pvalloc(100010));
  void *gone = malloc(100011);
  CHECK(is_refused(realloc(gone, 0)));
  char *long_text = malloc(100012);
  memset(long_text, 'x', 100011);
  long_text[100011] = '\0';
  free(strdup(long_text));
  free(long_text);
  void *mapped = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mapped = mremap(mapped, 1 << 20, 2 << 20, MREMAP_MAYMOVE);
  CHECK(munmap(mapped, 2 << 20) == 0);
}

/* 10 blocks of 1 MiB, 5 freed, 3 of 2 MiB: the peak is 11 MiB; a realloc from 1 to 4 MiB makes it 14. */
static void peak(void) {
  void *blocks[10];
  void *large[3];
  for (int i = 0; i < 10; i++) {
    blocks[i] = malloc(1 << 20);
  }
  for (int i = 0; i < 5; i++) {
    free(blocks[i]);
  }
  for (int i = 0; i < 3; i++) {
    large[i] = malloc(2 << 20);
  }
  blocks[9] = realloc(blocks[9], 4 << 20);
  for (int i = 5; i < 10; i++) {
    free(blocks[i]);
  }
  for (int i = 0; i < 3; i++) {
    free(large[i]);
  }
}

static void small(void) {
  static void *kept[1000];
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 1000; i++) {
      free(kept[i]);
      kept[i] = malloc((size_t)i + 1);
    }
  }
  size_t live = 0;
  for (int i = 0; i < 1000; i++) {
    live += malloc_usable_size(kept[i]);
  }
  free(malloc(1 << 20)); /* an event, beside which the sums are flushed */
  print("live %zu\n", live);
}

#define KEEPS_ERRNO(call)                                                                                              \
  do {                                                                                                                 \
    errno = 77;                                                                                                        \
    (void)(call);                                                                                                      \
    CHECK(errno == 77);                                                                                                \
  } while (0)

static void keep_errno(void) {
  void *block = NULL;
  void *moved = NULL;
  KEEPS_ERRNO(block = malloc(200000));
  KEEPS_ERRNO(moved = realloc(block, 300000));
  KEEPS_ERRNO(free(moved));
  KEEPS_ERRNO(block = calloc(1, 20));
  KEEPS_ERRNO(free(block));
  KEEPS_ERRNO(posix_memalign(&block, 64, 50000));
  KEEPS_ERRNO(free(block));
  KEEPS_ERRNO(block = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  KEEPS_ERRNO(munmap(block, 65536));
  errno = 0;
  CHECK(is_refused(malloc(PTRDIFF_MAX)) && errno == ENOMEM);
  errno = 0;
  CHECK(munmap((void *)1, 4096) == -1 && errno == EINVAL);
}

static void overflow(void) {
  volatile size_t half = SIZE_MAX / 2 + 1;
  CHECK(is_refused(calloc(half, 2)) && errno == ENOMEM);
  errno = 0;
  CHECK(is_refused(reallocarray(NULL, half, 2)) && errno == ENOMEM);
  char *block = malloc(100020);
  memset(block, 7, 100020);
  CHECK(is_refused(realloc(block, PTRDIFF_MAX))); /* it fails, and the block is still there */
  CHECK(block[100019] == 7);
  free(block);
  void *unaligned = &unaligned;
  CHECK(posix_memalign(&unaligned, 3, 100) == EINVAL && unaligned == &unaligned);
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  strcmp(mode, "functions") == 0  ? functions()
  : strcmp(mode, "peak") == 0     ? peak()
  : strcmp(mode, "small") == 0    ? small()
  : strcmp(mode, "errno") == 0    ? keep_errno()
  : strcmp(mode, "overflow") == 0 ? overflow()
                                  : exit(2);
  return 0;
}
