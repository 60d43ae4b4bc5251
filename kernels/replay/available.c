/* /proc/meminfo, and the limit of a control group of version 2 that sees itself as the root, as containers do. */
#include "kernels/replay/available.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

static size_t system_available(void) {
  FILE *file = fopen("/proc/meminfo", "r");
  char line[128];
  unsigned long long kib, found = UINT64_MAX / 1024;
  while (file && fgets(line, sizeof line, file)) {
    if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) { // NOLINT(cert-err34-c): the kernel wrote it
      found = kib;
    }
  }
  if (file) {
    fclose(file);
  }
  return least(SIZE_MAX, (size_t)found * 1024);
}

/* SIZE_MAX for "max", or if there is no such file. */
static size_t read_number(const char *path) {
  FILE *file = fopen(path, "r");
  unsigned long long number = 0;
  const bool is = file && fscanf(file, "%llu", &number) == 1; // NOLINT(cert-err34-c): the kernel wrote it
  if (file) {
    fclose(file);
  }
  return is ? (size_t)number : SIZE_MAX;
}

static size_t group_available(void) {
  const size_t limit = read_number("/sys/fs/cgroup/memory.max"), used = read_number("/sys/fs/cgroup/memory.current");
  return limit == SIZE_MAX || used == SIZE_MAX ? SIZE_MAX : limit > used ? limit - used : 0;
}

size_t available_bytes(void) {
  return least(system_available(), group_available());
}

int available_check(size_t bytes, const char *what, struct error *err) {
  const size_t available = available_bytes();
  if (bytes <= available) {
    return 0;
  }
  return error_set(err, ERROR_MEMORY,
                   "%s needs %.2f GiB of memory, and %.2f GiB are available; take a smaller batch, or `actscope plan', "
                   "which computes nothing",
                   what, (double)bytes / 0x1p30, (double)available / 0x1p30);
}
