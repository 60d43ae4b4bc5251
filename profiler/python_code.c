/* Reading code objects: see the header. */
#include "profiler/python_code.h"

#include "profiler/python_walk.h"

enum { LINES_MAX = 16 << 20 }; /* bytes of a table; one of 3,000,000 lines has as many */

/* ---- texts --------------------------------------------------------------------------------------------------------- */

static size_t put_utf8(char *out, uint32_t c) {
  if ((c >= 0xd800 && c < 0xe000) || c > 0x10ffff) {
    c = 0xfffd; /* a lone half of a pair: how Python keeps file names that are no UTF-8 */
  }
  if (c < 0x80) {
    out[0] = (char)c;
    return 1;
  }
  if (c < 0x800) {
    out[0] = (char)(0xc0 | c >> 6);
    out[1] = (char)(0x80 | (c & 0x3f));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
  }
  out[0] = (char)(0xf0 | c >> 18);
  out[1] = (char)(0x80 | (c >> 12 & 0x3f));
  out[2] = (char)(0x80 | (c >> 6 & 0x3f));
  out[3] = (char)(0x80 | (c & 0x3f));
  return 4;
}

static uint32_t load_character(uint64_t data, uint64_t i, unsigned width) {
  uint64_t address = data + i * width;
  uint32_t word = python_load_u32(address & ~UINT64_C(3));
  uint32_t c = word >> 8 * (address & 3);
  return width == 1 ? c & 0xff : width == 2 ? c & 0xffff : c;
}

/* The characters of a str, of 1, 2 or 4 bytes each, as UTF-8; what does not fit is left out. */
static bool read_characters(struct python_guard *guard, uint64_t data, uint64_t count, unsigned width, char *out,
                            size_t room, size_t *size) {
  enum { LONGEST = 4 }; /* bytes of one character */
  count = count < room ? count : room;
  *size = 0;
  if ((data & 3) || !python_guard_range(guard, data, count * width)) {
    return false;
  }
  for (uint64_t i = 0; i < count && *size + LONGEST < room; i++) {
    *size += put_utf8(out + *size, load_character(data, i, width));
  }
  out[*size] = '\0';
  return true;
}

static bool read_text(const struct python_layout *layout, struct python_guard *guard, uint64_t text, char *out,
                      size_t room, size_t *size) {
  uint64_t length;
  uint32_t state;
  if (!python_read(guard, text + PYTHON_TEXT_LENGTH, &length) ||
      !python_read_u32(guard, text + PYTHON_TEXT_STATE, &state) || !(state & PYTHON_TEXT_COMPACT)) {
    return false;
  }
  unsigned width = state >> PYTHON_TEXT_KIND_SHIFT & PYTHON_TEXT_KIND_MASK;
  bool ascii = state & PYTHON_TEXT_ASCII;
  if ((width != 1 && width != 2 && width != 4) || (ascii && width != 1)) {
    return false;
  }
  uint64_t data = text + (ascii ? layout->text_ascii : layout->text_compact);
  return read_characters(guard, data, length, width, out, room, size);
}

/* ---- code objects -------------------------------------------------------------------------------------------------- */

/* The table is read where it is: the code object keeps it. */
static bool read_line(const struct python_layout *layout, struct python_guard *guard, uint64_t address, uint32_t at,
                      uint32_t *line) {
  uint32_t first_line;
  uint64_t lines, size;
  if (!python_read_u32(guard, address + layout->code_first_line, &first_line) ||
      !python_read(guard, address + layout->code_lines, &lines) ||
      !python_read(guard, lines + PYTHON_BYTES_SIZE, &size) || size > LINES_MAX ||
      !python_guard_range(guard, lines + PYTHON_BYTES_DATA, size)) {
    return false;
  }
  const uint8_t *table = (const uint8_t *)(lines + PYTHON_BYTES_DATA); // NOLINT(performance-no-int-to-ptr)
  *line = at == PYTHON_NOT_BEGUN ? first_line : python_lines_find(layout->lines, table, size, first_line, at);
  return true;
}

static bool read_shown(const struct python_layout *layout, struct python_guard *guard, uint64_t address, uint32_t at,
                       bool *shown) {
  enum { UNIT = 2 }; /* bytes of code that an instruction's number counts */
  uint32_t first;
  if (layout->code_first_traced == PYTHON_NOWHERE) {
    return *shown = true;
  }
  if (!python_read_u32(guard, address + layout->code_first_traced, &first)) {
    return false;
  }
  *shown = at != PYTHON_NOT_BEGUN && at / UNIT >= first;
  return true;
}

bool python_code_read(const struct python_layout *layout, struct python_guard *guard, uint64_t type, uint64_t address,
                      uint32_t at, struct python_code *code) {
  uint64_t is, file, name;
  return python_read(guard, address + PYTHON_OBJECT_TYPE, &is) && is == type &&
         read_shown(layout, guard, address, at, &code->shown) &&
         python_read(guard, address + layout->code_file, &file) &&
         read_text(layout, guard, file, code->file, sizeof code->file, &code->file_size) &&
         python_read(guard, address + layout->code_name, &name) &&
         read_text(layout, guard, name, code->name, sizeof code->name, &code->name_size) &&
         read_line(layout, guard, address, at, &code->line);
}
