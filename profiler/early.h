/* Memory for calls that come before the real allocator is known: dlsym may itself call calloc while it looks for it. */
#ifndef ACTSCOPE_PROFILER_EARLY_H
#define ACTSCOPE_PROFILER_EARLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EARLY_SIZE (256u << 10)
extern unsigned char early_memory[EARLY_SIZE];

/* Zeroed, aligned as asked (a power of two, at least 16); NULL when the little there is has been used up. Never freed. */
void *early_alloc(size_t alignment, size_t size);
size_t early_size(const void *block); /* of a block of early_alloc, bytes */

static inline bool early_owns(const void *block) {
  return (uintptr_t)block - (uintptr_t)early_memory < EARLY_SIZE;
}

#endif
