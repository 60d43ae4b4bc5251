/* A bump allocator over static memory; the size stands in front of each block. */
#include "profiler/early.h"

#include <stdalign.h>
#include <string.h>

alignas(64) unsigned char early_memory[EARLY_SIZE];
static size_t used;

void *early_alloc(size_t alignment, size_t size) {
  alignment = alignment < 16 ? 16 : alignment;
  if (size > EARLY_SIZE || alignment > EARLY_SIZE) {
    return NULL;
  }
  size_t before = __atomic_load_n(&used, __ATOMIC_RELAXED);
  size_t at;
  do {
    uintptr_t address = ((uintptr_t)early_memory + before + 16 + alignment - 1) & ~(uintptr_t)(alignment - 1);
    at = address - (uintptr_t)early_memory;
    if (at + size > EARLY_SIZE) {
      return NULL;
    }
  } while (!__atomic_compare_exchange_n(&used, &before, at + size, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  memcpy(early_memory + at - sizeof size, &size, sizeof size);
  return early_memory + at;
}

size_t early_size(const void *block) {
  size_t size;
  memcpy(&size, (const unsigned char *)block - sizeof size, sizeof size);
  return size;
}
