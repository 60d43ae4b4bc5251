/* The three forms of the table: see the header. */
#include "profiler/python_lines.h"

#include <stdbool.h>

static uint32_t as_line(int64_t line) {
  return line > 0 && line <= INT32_MAX ? (uint32_t)line : 0;
}

/* (bytes, lines): after so many bytes of code the line is so many further. */
static uint32_t find_step(const uint8_t *table, size_t size, uint32_t first_line, uint32_t offset) {
  int64_t line = first_line;
  uint64_t reached = 0;
  for (size_t i = 0; i + 1 < size; i += 2) {
    reached += table[i];
    if (reached > offset) {
      break;
    }
    line += (int8_t)table[i + 1];
  }
  return as_line(line);
}

/* (bytes, lines): the line is so many further, for so many bytes of code; -128: these belong to none. */
static uint32_t find_range(const uint8_t *table, size_t size, uint32_t first_line, uint32_t offset) {
  enum { NO_LINE = -128 };
  int64_t line = first_line;
  uint64_t end = 0;
  for (size_t i = 0; i + 1 < size; i += 2) {
    int8_t lines = (int8_t)table[i + 1];
    line += lines == NO_LINE ? 0 : lines;
    end += table[i];
    if (offset < end) {
      return lines == NO_LINE ? 0 : as_line(line);
    }
  }
  return 0;
}

/* Six bits a byte, least significant first; bit 6: more follow. *at is moved behind it, to `size` if it is cut off. */
static uint64_t take_number(const uint8_t *table, size_t size, size_t *at) {
  uint64_t number = 0;
  for (unsigned shift = 0; *at < size && shift < 60; shift += 6) {
    uint8_t byte = table[(*at)++];
    number |= (uint64_t)(byte & 0x3f) << shift;
    if (!(byte & 0x40)) {
      return number;
    }
  }
  *at = size;
  return 0;
}

/* The sign is the lowest bit. */
static int64_t take_signed(const uint8_t *table, size_t size, size_t *at) {
  uint64_t number = take_number(table, size, at);
  return number & 1 ? -(int64_t)(number >> 1) : (int64_t)(number >> 1);
}

/* An entry begins with a byte 1kkkklll: its kind, and the instructions it covers less one. Columns may follow, of which
 * nothing is wanted: their bytes lack the top bit. */
static uint32_t find_location(const uint8_t *table, size_t size, uint32_t first_line, uint32_t offset) {
  enum { ONE_LINE_0 = 10, ONE_LINE_2 = 12, NO_COLUMNS = 13, LONG = 14, NONE = 15 };
  int64_t line = first_line;
  uint64_t end = 0;
  for (size_t i = 0; i < size && table[i] & 0x80;) {
    unsigned kind = table[i] >> 3 & 0xf;
    end += 2 * ((table[i] & 7u) + 1);
    i++;
    if (kind >= ONE_LINE_0 && kind <= ONE_LINE_2) {
      line += (int64_t)kind - ONE_LINE_0;
    } else if (kind == NO_COLUMNS || kind == LONG) {
      line += take_signed(table, size, &i);
    }
    if (offset < end) {
      return kind == NONE ? 0 : as_line(line);
    }
    while (i < size && !(table[i] & 0x80)) {
      i++;
    }
  }
  return 0;
}

uint32_t python_lines_find(enum python_lines_form form, const uint8_t *table, size_t size, uint32_t first_line,
                           uint32_t offset) {
  switch (form) {
  case PYTHON_LINES_STEPS:
    return find_step(table, size, first_line, offset);
  case PYTHON_LINES_RANGES:
    return find_range(table, size, first_line, offset);
  default:
    return find_location(table, size, first_line, offset);
  }
}
