/* Reads of memory that may not be there: the interpreter's structures, by offsets that may be wrong.
 *
 * The kernel is asked once for every page, in a way that touches no descriptor and needs no right: rt_sigprocmask with an
 * operation that does not exist reads the set that it is given before it refuses. What it said is remembered by each thread
 * until the program gives memory back to the kernel. */
#ifndef ACTSCOPE_PROFILER_PYTHON_GUARD_H
#define ACTSCOPE_PROFILER_PYTHON_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PYTHON_GUARD_PAGES = 512, PYTHON_GUARD_SHIFT = 12 };

/* A thread's: zeroed before the first use, and when another thread takes it over. */
struct python_guard {
  uint64_t epoch;                     /* of what is remembered, 0 = nothing is */
  uint64_t heap_end;                  /* end of the data segment then */
  uint64_t pages[PYTHON_GUARD_PAGES]; /* numbers of pages that can be read, plus 1, by their low bits; 0 = none */
};

/* Counts what the program has unmapped; never 0. */
extern uint64_t python_guard_epoch;

/* When memory has been unmapped. */
static inline void python_guard_note_unmap(void) {
  __atomic_fetch_add(&python_guard_epoch, 1, __ATOMIC_RELEASE);
}

/* Does asking the kernel work here: are pages told apart? Some that stand in for a kernel look at the operation first. */
bool python_guard_works(void);

/* Before each walk. */
void python_guard_enter(struct python_guard *guard);

bool python_guard_ask(struct python_guard *guard, uint64_t page);

static inline bool python_guard_page(struct python_guard *guard, uint64_t page) {
  return __builtin_expect(guard->pages[page % PYTHON_GUARD_PAGES] == page + 1, 1) || python_guard_ask(guard, page);
}

/* Can this range be read? It must be aligned to words, and is no longer than a page. */
static inline bool python_guard_span(struct python_guard *guard, uint64_t address, size_t size) {
  uint64_t first = address >> PYTHON_GUARD_SHIFT, last = (address + size - 1) >> PYTHON_GUARD_SHIFT;
  return !(address & 7) && python_guard_page(guard, first) && (first == last || python_guard_page(guard, last));
}

/* The same for a range of any length and alignment. */
bool python_guard_range(struct python_guard *guard, uint64_t address, size_t size);

/* Of a word that can be read. */
__attribute__((no_sanitize("address", "thread"))) static inline uint64_t python_load(uint64_t address) {
  return *(const volatile uint64_t *)address; // NOLINT(performance-no-int-to-ptr)
}

__attribute__((no_sanitize("address", "thread"))) static inline uint32_t python_load_u32(uint64_t address) {
  return *(const volatile uint32_t *)address; // NOLINT(performance-no-int-to-ptr)
}

__attribute__((no_sanitize("address", "thread"))) static inline uint8_t python_load_byte(uint64_t address) {
  return *(const volatile uint8_t *)address; // NOLINT(performance-no-int-to-ptr)
}

/* The aligned word at this address; false if it is not aligned or not there. */
static inline bool python_read(struct python_guard *guard, uint64_t address, uint64_t *word) {
  if (__builtin_expect((address & 7) || !python_guard_page(guard, address >> PYTHON_GUARD_SHIFT), 0)) {
    return false;
  }
  *word = python_load(address);
  return true;
}

/* The aligned 32-bit number. */
static inline bool python_read_u32(struct python_guard *guard, uint64_t address, uint32_t *value) {
  if ((address & 3) || !python_guard_page(guard, address >> PYTHON_GUARD_SHIFT)) {
    return false;
  }
  *value = python_load_u32(address);
  return true;
}

#endif
