/* unwind.h by libunwind: its fast trace caches the frame layout of each return address. */
#define UNW_LOCAL_ONLY
#include "profiler/unwind.h"

#include "profiler/config.h"

#include <libunwind.h>
#include <string.h>

enum { OWN_FRAMES = 12 }; /* frames of the profiler itself that may lie above the caller's */

void unwind_init(void) {
  /* The first walk sets up libunwind's own tables; done here it cannot happen inside somebody's malloc lock. */
  void *frames[4];
  (void)unw_backtrace(frames, 4);
}

size_t unwind_capture(uint64_t *frames, size_t max, const void *caller) {
  void *raw[CONFIG_STACK_DEPTH_MAX + OWN_FRAMES];
  size_t most = max + OWN_FRAMES < sizeof raw / sizeof raw[0] ? max + OWN_FRAMES : sizeof raw / sizeof raw[0];
  int count = unw_backtrace(raw, (int)most);
  if (count <= 0) {
    return 0;
  }
  size_t first = 0;
  while (first < (size_t)count && first < OWN_FRAMES && raw[first] != caller) {
    first++;
  }
  if (first == (size_t)count || first == OWN_FRAMES) {
    first = 0;
  }
  size_t kept = (size_t)count - first < max ? (size_t)count - first : max;
  memcpy(frames, raw + first, kept * sizeof frames[0]);
  return kept;
}

void unwind_flush(void) {
  unw_flush_cache(unw_local_addr_space, 0, 0);
}
