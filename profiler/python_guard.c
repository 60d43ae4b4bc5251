/* Asking the kernel: see the header. */
#include "profiler/python_guard.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

uint64_t python_guard_epoch = 1;

enum { NO_SUCH_OPERATION = -1, SIGNAL_SET_BYTES = 8 };

static int try_read(uint64_t address) {
  int before = errno;
  long result = syscall(SYS_rt_sigprocmask, NO_SUCH_OPERATION, address, NULL, SIGNAL_SET_BYTES);
  int reason = result == 0 ? 0 : errno;
  errno = before;
  return reason;
}

bool python_guard_works(void) {
  uint64_t there = 0;
  return try_read((uintptr_t)&there) == EINVAL && try_read(8) == EFAULT;
}

/* The data segment shrinks inside libc, where no hook sees it; sbrk(0) is no system call. */
void python_guard_enter(struct python_guard *guard) {
  uint64_t epoch = __atomic_load_n(&python_guard_epoch, __ATOMIC_ACQUIRE), heap_end = (uintptr_t)sbrk(0);
  if (__builtin_expect(guard->epoch != epoch || heap_end < guard->heap_end, 0)) {
    *guard = (struct python_guard){.epoch = epoch};
  }
  guard->heap_end = heap_end;
}

/* Only addresses of the lower half, which are a program's. */
bool python_guard_ask(struct python_guard *guard, uint64_t page) {
  if (page == 0 || page >> (63 - PYTHON_GUARD_SHIFT) || try_read(page << PYTHON_GUARD_SHIFT) != EINVAL) {
    return false;
  }
  guard->pages[page % PYTHON_GUARD_PAGES] = page + 1;
  return true;
}

bool python_guard_range(struct python_guard *guard, uint64_t address, size_t size) {
  uint64_t end = address + size;
  if (end < address) {
    return false;
  }
  for (uint64_t page = address >> PYTHON_GUARD_SHIFT; size && page <= (end - 1) >> PYTHON_GUARD_SHIFT; page++) {
    if (!python_guard_page(guard, page)) {
      return false;
    }
  }
  return true;
}
