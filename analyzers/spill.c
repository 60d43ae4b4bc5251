/* The file's room is reserved before it is mapped: writing to a mapping of a full disk would be SIGBUS. */
#include "analyzers/spill.h"

#include "common/error.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FIRST_BYTES = 1 << 16 };

static int open_unlinked(void) {
  const char *folder = getenv("TMPDIR");
  int file = open(folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  return file >= 0 ? file : open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static void *map_bytes(int file, size_t bytes) {
  int flags = file >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
  void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, file, 0);
  return base == MAP_FAILED ? NULL : base;
}

int spill_open(struct spill *spill, size_t item_size) {
  *spill = (struct spill){.item_size = item_size, .file = open_unlinked()};
  if (spill->file >= 0 && posix_fallocate(spill->file, 0, FIRST_BYTES) != 0) {
    close(spill->file);
    spill->file = -1;
  }
  spill->base = map_bytes(spill->file, FIRST_BYTES);
  spill->capacity = FIRST_BYTES / item_size;
  if (!spill->base) {
    spill_fini(spill);
    return ERROR_MEMORY;
  }
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

static int grow(struct spill *spill) {
  size_t bytes = mapped_bytes(spill);
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
