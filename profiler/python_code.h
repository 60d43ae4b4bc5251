/* Code objects: what CPython knows a function by. Only of objects that are alive, in the thread that walks over them. */
#ifndef ACTSCOPE_PROFILER_PYTHON_CODE_H
#define ACTSCOPE_PROFILER_PYTHON_CODE_H

#include "profiler/python_guard.h"
#include "profiler/python_layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PYTHON_FILE_MAX = 4096, PYTHON_NAME_MAX = 512 };

struct python_code {
  char file[PYTHON_FILE_MAX], name[PYTHON_NAME_MAX]; /* UTF-8, cut to what fits, with a NUL behind it */
  size_t file_size, name_size;
  uint32_t line; /* of the instruction; 0: it belongs to none */
  bool
      shown; /* does Python show a frame at this instruction? Not, since 3.11, one that has not begun, or is an aid of its own */
};

/* Reads the object at this address, and what its instruction `at` bytes behind the first one belongs to; false if it is none,
 * or a part of it cannot be read. `type`: that of code objects. */
bool python_code_read(const struct python_layout *layout, struct python_guard *guard, uint64_t type, uint64_t address,
                      uint32_t at, struct python_code *code);

#endif
