/* Open addressing with linear steps, at most half full. */
#include "reports/numbering.h"

#include <stdbool.h>
#include <stdlib.h>

void numbering_fini(struct numbering *numbering) {
  free(numbering->keys);
  free(numbering->slots);
  *numbering = (struct numbering){0};
}

static uint64_t hash_of(const struct numbering_key *key) {
  uint64_t hash = key->number;
  for (size_t i = 0; i < 3; i++) {
    hash = (hash ^ (uintptr_t)key->strings[i]) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
  }
  return hash;
}

static bool same(const struct numbering_key *a, const struct numbering_key *b) {
  return a->number == b->number && a->strings[0] == b->strings[0] && a->strings[1] == b->strings[1] &&
         a->strings[2] == b->strings[2];
}

/* The slot that has the key, or the free one where it belongs. */
static uint32_t *find(const struct numbering *numbering, const struct numbering_key *key) {
  size_t mask = numbering->slots_count - 1, at = hash_of(key) & mask;
  while (numbering->slots[at] && !same(&numbering->keys[numbering->slots[at] - 1], key)) {
    at = (at + 1) & mask;
  }
  return &numbering->slots[at];
}

static bool grow(struct numbering *numbering) {
  size_t count = numbering->slots_count ? 2 * numbering->slots_count : 256;
  uint32_t *slots = calloc(count, sizeof *slots);
  struct numbering_key *keys = realloc(numbering->keys, count / 2 * sizeof *keys);
  numbering->keys = keys ? keys : numbering->keys;
  if (!slots || !keys) {
    free(slots);
    return false;
  }
  free(numbering->slots);
  numbering->slots = slots;
  numbering->slots_count = count;
  for (size_t i = 0; i < numbering->count; i++) {
    *find(numbering, &keys[i]) = (uint32_t)i + 1;
  }
  return true;
}

uint32_t numbering_of(struct numbering *numbering, const struct numbering_key *key) {
  uint32_t *slot;
  if (2 * numbering->count >= numbering->slots_count && !grow(numbering)) {
    return 0;
  }
  slot = find(numbering, key);
  if (!*slot) {
    numbering->keys[numbering->count] = *key;
    *slot = (uint32_t)++numbering->count;
  }
  return *slot;
}
