/* A hash table with open addressing over one array of bytes. */
#include "importers/intern.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_FIRST = 1024 };

static uint64_t hash(const uint8_t *bytes, size_t size) {
  uint64_t h = size * UINT64_C(0x9e3779b97f4a7c15);
  for (; size >= 8; bytes += 8, size -= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 32;
  }
  for (; size; bytes++, size--) {
    h = (h ^ *bytes) * UINT64_C(0x100000001b3);
  }
  return h ^ h >> 29;
}

/* The slot that holds these bytes' number, or is free for it. */
static uint32_t *find(const struct intern *intern, const void *bytes, size_t size) {
  size_t mask = intern->slots_count - 1;
  for (size_t at = hash(bytes, size) & mask;; at = (at + 1) & mask) {
    uint32_t number = intern->slots[at];
    if (!number) {
      return &intern->slots[at];
    }
    const struct intern_entry *entry = &intern->entries[number - 1];
    if (entry->size == size && (!size || memcmp(intern->bytes + entry->begin, bytes, size) == 0)) {
      return &intern->slots[at];
    }
  }
}

static bool grow_slots(struct intern *intern) {
  size_t larger = intern->slots_count ? intern->slots_count * 2 : SLOTS_FIRST;
  uint32_t *slots = calloc(larger, sizeof *slots);
  if (!slots) {
    return false;
  }
  free(intern->slots);
  intern->slots = slots;
  intern->slots_count = larger;
  for (uint32_t number = 1; number <= intern->count; number++) {
    const struct intern_entry *entry = &intern->entries[number - 1];
    *find(intern, intern->bytes + entry->begin, entry->size) = number;
  }
  return true;
}

static bool reserve(void **items, size_t *room, size_t needed, size_t item) {
  if (*items && needed <= *room) {
    return true;
  }
  size_t larger = needed * 2 + SLOTS_FIRST;
  void *moved = realloc(*items, larger * item);
  if (moved) {
    *items = moved;
    *room = larger;
  }
  return moved != NULL;
}

uint32_t intern_number(struct intern *intern, const void *bytes, size_t size) {
  if (intern->count >= intern->slots_count / 2 && (intern->count == UINT32_MAX || !grow_slots(intern))) {
    return 0;
  }
  uint32_t *slot = find(intern, bytes, size);
  uint32_t found = *slot;
  if (found) {
    return found;
  }
  if (!reserve((void **)&intern->bytes, &intern->room, intern->used + size, 1) ||
      !reserve((void **)&intern->entries, &intern->entries_room, intern->count + UINT64_C(1),
               sizeof *intern->entries)) {
    return 0;
  }
  if (size) {
    memcpy(intern->bytes + intern->used, bytes, size);
  }
  intern->entries[intern->count] = (struct intern_entry){intern->used, size};
  intern->used += size;
  return *slot = ++intern->count;
}

void intern_fini(struct intern *intern) {
  free(intern->bytes);
  free(intern->entries);
  free(intern->slots);
  *intern = (struct intern){0};
}
