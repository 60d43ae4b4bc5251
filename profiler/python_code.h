/* Code objects: what CPython knows a function by, read once and numbered.
 *
 * A code object is known by its address as long as it lives; that it has gone, the interpreter tells itself (see
 * python_stacks.h). What is written to the trace is known by content, so that a program that compiles the same text again
 * and again leaves one record of it. */
#ifndef ACTSCOPE_PROFILER_PYTHON_CODE_H
#define ACTSCOPE_PROFILER_PYTHON_CODE_H

#include "profiler/python_guard.h"
#include "profiler/python_layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PYTHON_FILE_MAX = 4096, PYTHON_NAME_MAX = 512, PYTHON_LINES_MAX = 8 << 20 };

/* What is read of one. Kept for reuse: the table of lines may be large. Zeroed at first. */
struct python_code {
  char file[PYTHON_FILE_MAX], name[PYTHON_NAME_MAX]; /* UTF-8, cut to what fits; not terminated */
  size_t file_size, name_size;
  uint32_t first_line;
  uint8_t *lines; /* pages of our own */
  size_t lines_size, lines_room;
};

/* Reads the object at this address; false if it is none, or a part of it cannot be read. `type`: that of code objects. */
bool python_code_read(const struct python_layout *layout, struct python_guard *guard, uint64_t type, uint64_t address,
                      struct python_code *code);
void python_code_fini(struct python_code *code);

/* The numbers that addresses have got, 0 = none. Any thread at any time, without a lock, but for put: one at a time. */
bool python_codes_init(void);  /* empty; also in a child after fork. False: no memory */
uint32_t python_codes_find(uint64_t address);
void python_codes_put(uint64_t address, uint32_t number); /* where there is no room, nothing is kept */
void python_codes_forget(uint64_t address);               /* the object is about to go */

#endif
