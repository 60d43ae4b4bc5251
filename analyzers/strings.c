/* An arena of NUL-terminated texts and an open-addressing table of pointers into it. */
#include "analyzers/strings.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK = 64 * 1024, FIRST_CAPACITY = 1024 };

struct arena_block {
  struct arena_block *next;
  size_t used, size;
  char bytes[];
};

struct strings {
  struct arena_block *blocks;
  char **slots;
  size_t capacity, count; /* capacity is a power of two */
};

struct strings *strings_open(void) {
  struct strings *strings = calloc(1, sizeof *strings);
  if (!strings) {
    return NULL;
  }
  strings->slots = calloc(FIRST_CAPACITY, sizeof *strings->slots);
  strings->capacity = FIRST_CAPACITY;
  if (!strings->slots) {
    free(strings);
    return NULL;
  }
  return strings;
}

void strings_close(struct strings *strings) {
  if (!strings) {
    return;
  }
  while (strings->blocks) {
    struct arena_block *next = strings->blocks->next;
    free(strings->blocks);
    strings->blocks = next;
  }
  free(strings->slots);
  free(strings);
}

static size_t hash_bytes(const char *bytes, size_t size) {
  uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
  for (size_t i = 0; i < size; i++) {
    hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
  }
  return (size_t)(hash ^ (hash >> 32));
}

static char *arena_copy(struct strings *strings, const char *bytes, size_t size) {
  struct arena_block *block = strings->blocks;
  if (!block || block->size - block->used <= size) {
    size_t room = size + 1 > ARENA_BLOCK ? size + 1 : ARENA_BLOCK;
    block = malloc(sizeof *block + room);
    if (!block) {
      return NULL;
    }
    *block = (struct arena_block){.next = strings->blocks, .size = room};
    strings->blocks = block;
  }
  char *copy = block->bytes + block->used;
  memcpy(copy, bytes, size);
  copy[size] = '\0';
  block->used += size + 1;
  return copy;
}

static int grow(struct strings *strings) {
  size_t capacity = strings->capacity * 2;
  char **slots = calloc(capacity, sizeof *slots);
  if (!slots) {
    return -1;
  }
  for (size_t i = 0; i < strings->capacity; i++) {
    if (strings->slots[i]) {
      size_t at = hash_bytes(strings->slots[i], strlen(strings->slots[i])) & (capacity - 1);
      while (slots[at]) {
        at = (at + 1) & (capacity - 1);
      }
      slots[at] = strings->slots[i];
    }
  }
  free(strings->slots);
  strings->slots = slots;
  strings->capacity = capacity;
  return 0;
}

char *strings_intern(struct strings *strings, const char *text) {
  return strings_intern_bytes(strings, text ? text : "", text ? strlen(text) : 0);
}

char *strings_intern_bytes(struct strings *strings, const char *bytes, size_t size) {
  size = strnlen(bytes, size); /* a text ends at its first NUL */
  if (strings->count * 2 >= strings->capacity && grow(strings) != 0) {
    return NULL;
  }
  size_t at = hash_bytes(bytes, size) & (strings->capacity - 1);
  for (; strings->slots[at]; at = (at + 1) & (strings->capacity - 1)) {
    if (strncmp(strings->slots[at], bytes, size) == 0 && strings->slots[at][size] == '\0') {
      return strings->slots[at];
    }
  }
  strings->slots[at] = arena_copy(strings, bytes, size);
  strings->count += strings->slots[at] != NULL;
  return strings->slots[at];
}
