/* Reads of memory that may not be there: the interpreter's structures, by offsets that may be wrong.
 *
 * The kernel is asked once for every page, in a way that touches no descriptor and needs no right: rt_sigprocmask with an
 * operation that does not exist reads the set that it is given before it refuses. What it said is remembered by each thread
 * until the program unmaps something. Reads are of aligned words, so that none crosses a page. */
#ifndef ACTSCOPE_PROFILER_PYTHON_GUARD_H
#define ACTSCOPE_PROFILER_PYTHON_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PYTHON_GUARD_PAGES = 512, PYTHON_GUARD_SHIFT = 12 };

/* A thread's: zeroed before the first use. */
struct python_guard {
  uint64_t epoch;
  uint64_t pages[PYTHON_GUARD_PAGES]; /* numbers of pages that can be read, by their low bits; 0 = none */
};

/* Counts what the program has unmapped. */
extern uint64_t python_guard_epoch;

/* Before memory is unmapped. */
static inline void python_guard_note_unmap(void) {
  __atomic_fetch_add(&python_guard_epoch, 1, __ATOMIC_SEQ_CST);
}

/* Does asking the kernel work here: are pages told apart? Some that stand in for a kernel look at the operation first. */
bool python_guard_works(void);

bool python_guard_ask(struct python_guard *guard, uint64_t page);

/* Before each walk. */
static inline void python_guard_enter(struct python_guard *guard) {
  uint64_t epoch = __atomic_load_n(&python_guard_epoch, __ATOMIC_SEQ_CST);
  if (__builtin_expect(guard->epoch != epoch, 0)) {
    *guard = (struct python_guard){.epoch = epoch};
  }
}

__attribute__((no_sanitize("address", "thread"))) static inline uint64_t python_guard_load(uint64_t address) {
  return *(const volatile uint64_t *)address; // NOLINT(performance-no-int-to-ptr)
}

/* The aligned word at this address; false if it is not aligned or not there. */
static inline bool python_read(struct python_guard *guard, uint64_t address, uint64_t *word) {
  uint64_t page = address >> PYTHON_GUARD_SHIFT;
  if (__builtin_expect((address & 7) || (guard->pages[page % PYTHON_GUARD_PAGES] != page && !python_guard_ask(guard, page)),
                       0)) {
    return false;
  }
  *word = python_guard_load(address);
  return true;
}

/* The 32-bit number, or the byte, at this address; a number must be aligned. */
static inline bool python_read_u32(struct python_guard *guard, uint64_t address, uint32_t *value) {
  uint64_t word;
  if (address & 3 || !python_read(guard, address & ~UINT64_C(7), &word)) {
    return false;
  }
  *value = (uint32_t)(word >> 8 * (address & 4));
  return true;
}

static inline bool python_read_byte(struct python_guard *guard, uint64_t address, uint8_t *value) {
  uint64_t word;
  if (!python_read(guard, address & ~UINT64_C(7), &word)) {
    return false;
  }
  *value = (uint8_t)(word >> 8 * (address & 7));
  return true;
}

/* `size` bytes from an aligned address on; `bytes` has room for them rounded up to words. */
bool python_read_bytes(struct python_guard *guard, uint64_t address, void *bytes, size_t size);

#endif
