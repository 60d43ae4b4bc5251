/* Asking the kernel: see the header. */
#include "profiler/python_guard.h"

#include <errno.h>
#include <string.h>
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

bool python_guard_ask(struct python_guard *guard, uint64_t page) {
  if (page == 0 || page >> (64 - PYTHON_GUARD_SHIFT - 1) || try_read(page << PYTHON_GUARD_SHIFT) != EINVAL) {
    return false;
  }
  guard->pages[page % PYTHON_GUARD_PAGES] = page;
  return true;
}

bool python_read_bytes(struct python_guard *guard, uint64_t address, void *bytes, size_t size) {
  for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
    uint64_t word;
    if (!python_read(guard, address + i, &word)) {
      return false;
    }
    memcpy((char *)bytes + i, &word, sizeof word);
  }
  return true;
}
