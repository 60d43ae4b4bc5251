/* The file's room is reserved before it is mapped: writing to a mapping of a full disk would be SIGBUS. */
#include "analyzers/spill.h"

#include "common/error.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FIRST_BYTES = 1 << 16, MEMORY_BYTES = 1 << 20 }; /* up to these, no file is worth its while */

static int open_unlinked(void) {
  const char *folder = getenv("TMPDIR");
  int file = open(folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  return file >= 0 ? file : open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

int spill_open(struct spill *spill, size_t item_size) {
  void *base = mmap(NULL, FIRST_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) {
    *spill = (struct spill){0};
    return ERROR_MEMORY;
  }
  *spill = (struct spill){.base = base, .item_size = item_size, .capacity = FIRST_BYTES / item_size, .file = -1};
  return 0;
}

static size_t mapped_bytes(const struct spill *spill) {
  size_t bytes = FIRST_BYTES;
  while (bytes / spill->item_size < spill->capacity) {
    bytes *= 2;
  }
  return bytes;
}

void spill_fini(struct spill *spill) {
  if (spill->base) {
    munmap(spill->base, mapped_bytes(spill));
  }
  if (spill->item_size && spill->file >= 0) {
    close(spill->file);
  }
  *spill = (struct spill){0};
}

/* Moves `bytes` of memory to a file of twice as many. -1: there is no room for one, and all is as it was. */
static int move_to_file(struct spill *spill, size_t bytes) {
  const int file = open_unlinked();
  void *base = MAP_FAILED;
  if (file >= 0 && posix_fallocate(file, 0, (off_t)(bytes * 2)) == 0) {
    base = mmap(NULL, bytes * 2, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  }
  if (base == MAP_FAILED) {
    if (file >= 0) {
      close(file);
    }
    return -1;
  }
  memcpy(base, spill->base, bytes);
  munmap(spill->base, bytes);
  spill->base = base;
  spill->file = file;
  return 0;
}

static int grow(struct spill *spill) {
  const size_t bytes = mapped_bytes(spill);
  if (spill->file < 0 && bytes * 2 > MEMORY_BYTES && move_to_file(spill, bytes) == 0) {
    spill->capacity = bytes * 2 / spill->item_size;
    return 0;
  }
  if (spill->file >= 0 && posix_fallocate(spill->file, 0, (off_t)(bytes * 2)) != 0) {
    return -1;
  }
  void *base = mremap(spill->base, bytes, bytes * 2, MREMAP_MAYMOVE);
  if (base == MAP_FAILED) {
    return -1;
  }
  spill->base = base;
  spill->capacity = bytes * 2 / spill->item_size;
  return 0;
}

void *spill_push(struct spill *spill) {
  if (spill->count == spill->capacity && grow(spill) != 0) {
    return NULL;
  }
  return spill_at(spill, spill->count++); /* pages of a new file, and anonymous ones, are zero */
}
