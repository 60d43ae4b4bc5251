/* Anonymous pages by raw system calls, so that the interposed mmap is not entered: see the header. */
#include "profiler/arena.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *arena_map(size_t size) {
  long at = syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == -1 ? NULL : (void *)at; // NOLINT(performance-no-int-to-ptr)
}

void arena_unmap(void *memory, size_t size) {
  if (memory) {
    syscall(SYS_munmap, memory, size);
  }
}

void arena_map_over(void *memory, size_t size) {
  syscall(SYS_mmap, memory, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

void *arena_map_wiped_on_fork(void) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  void *memory = arena_map(page);
  if (memory && madvise(memory, page, MADV_WIPEONFORK) != 0) {
    arena_unmap(memory, page);
    return NULL;
  }
  return memory;
}
