/* The line of an instruction, from the table that CPython keeps beside the code. Pure: bytes in, a number out. */
#ifndef ACTSCOPE_PROFILER_PYTHON_LINES_H
#define ACTSCOPE_PROFILER_PYTHON_LINES_H

#include <stddef.h>
#include <stdint.h>

enum python_lines_form {
  PYTHON_LINES_STEPS,     /* 3.9, co_lnotab: pairs of bytes, code and lines to go on by (Objects/lnotab_notes.txt) */
  PYTHON_LINES_RANGES,    /* 3.10, co_linetable: the same, but a line belongs to the range before it (PEP 626) */
  PYTHON_LINES_LOCATIONS, /* 3.11 to 3.13, co_linetable: entries with columns (Objects/locations.md) */
};

/* Of the instruction that begins `offset` bytes into the code. 0: it belongs to no line, or the table is cut off. */
uint32_t python_lines_find(enum python_lines_form form, const uint8_t *table, size_t size, uint32_t first_line,
                           uint32_t offset);

#endif
