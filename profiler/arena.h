/* Memory for the profiler itself, straight from the kernel: it must not call the malloc that it watches. */
#ifndef ACTSCOPE_PROFILER_ARENA_H
#define ACTSCOPE_PROFILER_ARENA_H

#include <stddef.h>

/* Zeroed pages of at least `size` bytes, NULL when there are none. Given back with arena_unmap and the same size. */
void *arena_map(size_t size);
void arena_unmap(void *memory, size_t size);

/* Puts zeroed private pages in the place of a mapping. */
void arena_map_over(void *memory, size_t size);

/* A zeroed page that the kernel zeroes again in a child made by fork: how a child notices that it is one, whichever way
 * it was made. NULL when the kernel cannot (Linux before 4.14). */
void *arena_map_wiped_on_fork(void);

#endif
