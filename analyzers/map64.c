/* Linear probing; a removal shifts later entries of the run back, so that lookups never meet a tombstone. */
#include "analyzers/map64.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

void map64_fini(struct map64 *map) {
  free(map->entries);
  *map = (struct map64){0};
}

static size_t home_of(const struct map64 *map, uint64_t key) {
  uint64_t hash = key * 0x9e3779b97f4a7c15u;
  return (size_t)(hash ^ (hash >> 32)) & (map->capacity - 1);
}

static size_t place_of(const struct map64 *map, uint64_t key) {
  size_t at = home_of(map, key);
  while (map->entries[at].key && map->entries[at].key != key) {
    at = (at + 1) & (map->capacity - 1);
  }
  return at;
}

uint64_t *map64_find(const struct map64 *map, uint64_t key) {
  if (!map->count || !key) {
    return NULL;
  }
  struct map64_entry *entry = &map->entries[place_of(map, key)];
  return entry->key ? &entry->value : NULL;
}

static int grow(struct map64 *map) {
  struct map64 larger = {.capacity = map->capacity ? map->capacity * 2 : FIRST_CAPACITY, .count = map->count};
  larger.entries = calloc(larger.capacity, sizeof *larger.entries);
  if (!larger.entries) {
    return -1;
  }
  for (size_t i = 0; i < map->capacity; i++) {
    if (map->entries[i].key) {
      larger.entries[place_of(&larger, map->entries[i].key)] = map->entries[i];
    }
  }
  free(map->entries);
  *map = larger;
  return 0;
}

uint64_t *map64_put(struct map64 *map, uint64_t key) {
  if (map->count * 2 >= map->capacity && grow(map) != 0) {
    return NULL;
  }
  struct map64_entry *entry = &map->entries[place_of(map, key)];
  if (!entry->key) {
    *entry = (struct map64_entry){.key = key};
    map->count++;
  }
  return &entry->value;
}

void map64_remove(struct map64 *map, uint64_t key) {
  if (!map->count || !key) {
    return;
  }
  size_t hole = place_of(map, key), mask = map->capacity - 1;
  if (!map->entries[hole].key) {
    return;
  }
  map->count--;
  for (size_t at = (hole + 1) & mask; map->entries[at].key; at = (at + 1) & mask) {
    size_t home = home_of(map, map->entries[at].key);
    if (((at - home) & mask) >= ((at - hole) & mask)) { /* its home does not lie between the hole and here */
      map->entries[hole] = map->entries[at];
      hole = at;
    }
  }
  map->entries[hole] = (struct map64_entry){0};
}
