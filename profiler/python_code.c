/* Reading code objects and remembering their addresses: see the header. */
#include "profiler/python_code.h"

#include "profiler/arena.h"

#include <string.h>

/* ---- texts --------------------------------------------------------------------------------------------------------- */

static size_t put_utf8(char *out, uint32_t c) {
  if (c >= 0xd800 && c < 0xe000) {
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
  out[0] = (char)(0xf0 | (c >> 18 & 7));
  out[1] = (char)(0x80 | (c >> 12 & 0x3f));
  out[2] = (char)(0x80 | (c >> 6 & 0x3f));
  out[3] = (char)(0x80 | (c & 0x3f));
  return 4;
}

/* The characters of a str, of 1, 2 or 4 bytes each, as UTF-8; what does not fit is left out. */
static bool read_characters(struct python_guard *guard, uint64_t data, uint64_t count, unsigned width, char *out,
                            size_t room, size_t *size) {
  *size = 0;
  for (uint64_t i = 0; i < count && *size + 4 <= room; i++) {
    uint64_t address = data + i * width, word;
    if (!python_read(guard, address & ~UINT64_C(7), &word)) {
      return false;
    }
    uint32_t c = (uint32_t)(word >> 8 * (address & 7));
    *size += put_utf8(out + *size, width == 1 ? c & 0xff : width == 2 ? c & 0xffff : c);
  }
  return true;
}

static bool read_text(const struct python_layout *layout, struct python_guard *guard, uint64_t text, char *out,
                      size_t room, size_t *size) {
  uint64_t length;
  uint32_t state;
  if (!python_read(guard, text + PYTHON_TEXT_LENGTH, &length) ||
      !python_read_u32(guard, text + PYTHON_TEXT_STATE, &state) || length > INT32_MAX ||
      !(state & PYTHON_TEXT_COMPACT)) {
    return false;
  }
  unsigned width = state >> PYTHON_TEXT_KIND_SHIFT & PYTHON_TEXT_KIND_MASK;
  bool ascii = state & PYTHON_TEXT_ASCII;
  if ((width != 1 && width != 2 && width != 4) || (ascii && width != 1)) {
    return false;
  }
  uint64_t data = text + (uint64_t)(ascii ? layout->text_ascii : layout->text_compact);
  return read_characters(guard, data, length, width, out, room, size);
}

/* ---- tables of lines ----------------------------------------------------------------------------------------------- */

static bool reserve_lines(struct python_code *code, size_t size) {
  enum { LEAST = 64 << 10 };
  if (size + sizeof(uint64_t) <= code->lines_room) {
    return true;
  }
  size_t room = LEAST;
  while (room < size + sizeof(uint64_t)) {
    room *= 2;
  }
  uint8_t *lines = arena_map(room);
  if (!lines) {
    return false;
  }
  python_code_fini(code);
  code->lines = lines;
  code->lines_room = room;
  return true;
}

static bool read_lines(struct python_guard *guard, uint64_t bytes, struct python_code *code) {
  uint64_t size;
  if (!python_read(guard, bytes + PYTHON_BYTES_SIZE, &size) || size > PYTHON_LINES_MAX || !reserve_lines(code, size)) {
    return false;
  }
  code->lines_size = size;
  return python_read_bytes(guard, bytes + PYTHON_BYTES_DATA, code->lines, size);
}

/* ---- code objects -------------------------------------------------------------------------------------------------- */

bool python_code_read(const struct python_layout *layout, struct python_guard *guard, uint64_t type, uint64_t address,
                      struct python_code *code) {
  uint64_t is, file, name, lines;
  return python_read(guard, address + PYTHON_OBJECT_TYPE, &is) && is == type &&
         python_read(guard, address + (uint64_t)layout->code_file, &file) &&
         read_text(layout, guard, file, code->file, sizeof code->file, &code->file_size) &&
         python_read(guard, address + (uint64_t)layout->code_name, &name) &&
         read_text(layout, guard, name, code->name, sizeof code->name, &code->name_size) &&
         python_read_u32(guard, address + (uint64_t)layout->code_first_line, &code->first_line) &&
         python_read(guard, address + (uint64_t)layout->code_lines, &lines) && read_lines(guard, lines, code);
}

void python_code_fini(struct python_code *code) {
  arena_unmap(code->lines, code->lines_room);
  code->lines = NULL;
  code->lines_room = code->lines_size = 0;
}

/* ---- numbers of addresses ------------------------------------------------------------------------------------------ */

/* Of a fixed size, so that it never moves under those who look into it. A slot's address is written once; its number comes
 * and goes with the object. A program that has code at more addresses than this reads the rest anew each time. */
enum { SLOTS = 1 << 16, PROBES = 32 };
static struct slot { uint64_t address; uint32_t number; } *slots;

bool python_codes_init(void) {
  if (slots) {
    arena_map_over(slots, SLOTS * sizeof *slots);
    return true;
  }
  struct slot *made = arena_map(SLOTS * sizeof *slots);
  __atomic_store_n(&slots, made, __ATOMIC_RELEASE);
  return made != NULL;
}

/* Objects are aligned to 16 bytes. */
static size_t home_of(uint64_t address) {
  return (size_t)(address * UINT64_C(0x9e3779b97f4a7c15) >> 48) % SLOTS;
}

/* The address's slot, or where it could be put; NULL: neither. */
static struct slot *find_slot(uint64_t address) {
  struct slot *table = __atomic_load_n(&slots, __ATOMIC_ACQUIRE);
  size_t home = home_of(address);
  for (size_t i = 0; table && i < PROBES; i++) {
    struct slot *slot = &table[(home + i) % SLOTS];
    uint64_t there = __atomic_load_n(&slot->address, __ATOMIC_ACQUIRE);
    if (there == address || !there) {
      return slot;
    }
  }
  return NULL;
}

uint32_t python_codes_find(uint64_t address) {
  const struct slot *slot = find_slot(address);
  if (!slot || __atomic_load_n(&slot->address, __ATOMIC_ACQUIRE) != address) {
    return 0;
  }
  return __atomic_load_n(&slot->number, __ATOMIC_ACQUIRE);
}

void python_codes_put(uint64_t address, uint32_t number) {
  struct slot *slot = find_slot(address);
  if (slot) {
    __atomic_store_n(&slot->number, number, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->address, address, __ATOMIC_RELEASE);
  }
}

void python_codes_forget(uint64_t address) {
  struct slot *slot = find_slot(address);
  if (slot && __atomic_load_n(&slot->address, __ATOMIC_ACQUIRE) == address) {
    __atomic_store_n(&slot->number, 0, __ATOMIC_RELEASE);
  }
}
