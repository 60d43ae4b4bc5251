/* Numbers for things in the order in which they first appear, as formats with tables want them. A thing is what its key
 * says: interned strings by their address, and integers. */
#ifndef ACTSCOPE_REPORTS_NUMBERING_H
#define ACTSCOPE_REPORTS_NUMBERING_H

#include <stddef.h>
#include <stdint.h>

struct numbering_key {
  const char *strings[3]; /* compared as pointers; may be NULL */
  uint64_t number;
};

struct numbering {            /* zeroed: empty */
  struct numbering_key *keys; /* keys[n - 1] has number n */
  size_t count;
  uint32_t *slots; /* hash table of numbers, 0 free; slots_count a power of two */
  size_t slots_count;
};

void numbering_fini(struct numbering *numbering); /* zeroed is fine */

/* 1, 2, ...; a new one if the key is new. 0: no memory. */
uint32_t numbering_of(struct numbering *numbering, const struct numbering_key *key);

#endif
