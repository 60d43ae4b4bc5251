/* Finding the node around a SavedVariable: see the header.
 *
 * A node's release_variables() resets its members, so at one call site the member's offset in the node is always the same.
 * It is found once, by walking back from the member to a word that is a vtable pointer of a class in torch::autograd (by
 * its run-time type information), and kept by call site. */
#include "profiler/probe_node.h"

#include "profiler/probe_layout.h"

#include <malloc.h>
#include <string.h>

enum { SITES = 4096, NODE_BYTES_MAX = 4096, TRIES = 4 };

/* Written by whoever comes first and read without a lock: site is stored last. */
struct site {
  uint64_t site, vtable;
  uint32_t offset; /* of the member in the node, 0 = no node was found */
  uint32_t tries;
};

static struct site sites[SITES];

static uint64_t read_word(uint64_t address) {
  uint64_t word;
  return probe_read_memory(address, &word, sizeof word) ? word : 0;
}

/* Itanium C++ ABI: the word before the first virtual function points to the type_info, whose second word is the name. */
static bool is_autograd_vtable(uint64_t vtable) {
  static const char prefix[] = "N5torch8autograd";
  char name[sizeof prefix - 1];
  if (vtable % 8 || vtable < 4096) {
    return false;
  }
  uint64_t type = read_word(vtable - 8);
  uint64_t text = type ? read_word(type + 8) : 0;
  return text && probe_read_memory(text, name, sizeof name) && memcmp(name, prefix, sizeof name) == 0;
}

static uint32_t find_offset(uint64_t saved, uint64_t *vtable) {
  for (uint32_t offset = 8; offset < NODE_BYTES_MAX; offset += 8) {
    uint64_t word = read_word(saved - offset);
    if (!is_autograd_vtable(word)) {
      continue;
    }
    /* A neighbour on the heap is not the node around us. */
    void *node = (void *)(saved - offset); // NOLINT(performance-no-int-to-ptr)
    if (malloc_usable_size(node) <= offset) {
      return 0;
    }
    *vtable = word;
    return offset;
  }
  return 0;
}

static struct site *find_site(uint64_t site) {
  for (size_t i = 0; i < 16; i++) {
    struct site *slot = &sites[(site / 4 + i) % SITES];
    uint64_t known = __atomic_load_n(&slot->site, __ATOMIC_ACQUIRE);
    if (known == site || known == 0) {
      return slot;
    }
  }
  return NULL;
}

uint64_t probe_node_type(const void *saved, const void *caller) {
  uint64_t site = (uintptr_t)caller;
  struct site *slot = find_site(site);
  if (!slot) {
    return 0;
  }
  if (slot->site == site && slot->offset) {
    uint64_t word;
    memcpy(&word, (const uint8_t *)saved - slot->offset, sizeof word);
    /* A linker may fold release_variables() of classes of one shape into one: then only the offset is theirs in common. */
    return word == slot->vtable || is_autograd_vtable(word) ? word : 0;
  }
  if (slot->site == site && slot->tries >= TRIES) {
    return 0;
  }
  uint64_t vtable = 0;
  uint32_t offset = find_offset((uintptr_t)saved, &vtable);
  slot->vtable = vtable;
  slot->offset = offset;
  slot->tries++;
  __atomic_store_n(&slot->site, site, __ATOMIC_RELEASE);
  return vtable;
}
