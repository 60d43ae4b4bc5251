/* Numbers for things of bytes: equal bytes get equal numbers, counted from 1 on. */
#ifndef ACTSCOPE_IMPORTERS_INTERN_H
#define ACTSCOPE_IMPORTERS_INTERN_H

#include <stddef.h>
#include <stdint.h>

struct intern {   /* zeroed is empty */
  uint8_t *bytes; /* of all, one behind the other */
  size_t used, room;
  struct intern_entry {
    size_t begin, size;
  } * entries; /* by number - 1 */
  size_t entries_room;
  uint32_t count;
  uint32_t *slots; /* a hash table of numbers, 0 = free; a power of two, at most half full */
  size_t slots_count;
};

/* The number of these bytes; new ones get count + 1. 0: no memory. */
uint32_t intern_number(struct intern *intern, const void *bytes, size_t size);
void intern_fini(struct intern *intern);

#endif
