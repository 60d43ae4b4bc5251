/* A hash map from nonzero 64-bit keys to 64-bit values: open addressing, removal without tombstones. */
#ifndef ACTSCOPE_ANALYZERS_MAP64_H
#define ACTSCOPE_ANALYZERS_MAP64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map64_entry {
  uint64_t key, value; /* key 0: empty */
};

struct map64 { /* zeroed is an empty map */
  struct map64_entry *entries;
  size_t capacity, count; /* capacity 0 or a power of two */
};

void map64_fini(struct map64 *map);

/* The value's place, NULL if the key is not there. Good until the next put or remove. */
uint64_t *map64_find(const struct map64 *map, uint64_t key);

/* The value's place, made with value 0 if the key was not there; NULL: no memory. */
uint64_t *map64_put(struct map64 *map, uint64_t key);
void map64_remove(struct map64 *map, uint64_t key);

#endif
