/* Walks the calling thread's stack. Three functions, so that tests can put a fake in place of libunwind. */
#ifndef ACTSCOPE_PROFILER_UNWIND_H
#define ACTSCOPE_PROFILER_UNWIND_H

#include <stddef.h>
#include <stdint.h>

/* Once, before the first capture, on any thread. */
void unwind_init(void);

/* Return addresses from the frame that `caller` returns into (innermost, first) outwards, at most max. When that frame
 * is not found, everything from the profiler's own frames on is given. Async-signal-safe as far as libunwind is. */
size_t unwind_capture(uint64_t *frames, size_t max, const void *caller);

/* Forgets what is cached about code that may have been unmapped. */
void unwind_flush(void);

#endif
