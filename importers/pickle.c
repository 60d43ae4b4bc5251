/* The opcodes that make data (Python's Lib/pickletools.py lists all, with their meaning), and those that do more. */
#include "importers/pickle.h"

#include "importers/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

enum {
  PROTOCOL_MAX = 5,
  BYTES_PER_PROGRESS = 1 << 20,
};

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static const uint8_t *take(struct pickle_machine *machine, uint64_t size) {
  if (size > (uint64_t)(machine->end - machine->at)) {
    return NULL;
  }
  const uint8_t *bytes = machine->at;
  machine->at += size;
  return bytes;
}

/* A little-endian number of 1 to 8 bytes. */
static bool take_number(struct pickle_machine *machine, unsigned size, uint64_t *number) {
  const uint8_t *bytes = take(machine, size);
  *number = 0;
  for (unsigned i = size; bytes && i-- > 0;) {
    *number = *number << 8 | bytes[i];
  }
  return bytes != NULL;
}

static int skip(struct pickle_machine *machine, uint64_t size) {
  return take(machine, size) ? 0 : pickle_damaged(machine, "its end is missing");
}

/* ---- numbers and texts ------------------------------------------------------------------------------------------- */

static int push_integer(struct pickle_machine *machine, uint64_t integer, bool negative) {
  return pickle_push(machine, (struct pickle_value){.kind = PICKLE_INT, .negative = negative, .integer = integer});
}

/* BININT is signed, BININT1 and BININT2 are not. */
static int push_number(struct pickle_machine *machine, unsigned size) {
  uint64_t number;
  if (!take_number(machine, size, &number)) {
    return pickle_damaged(machine, "a number that is cut short");
  }
  bool negative = size == 4 && number >> 31;
  return push_integer(machine, negative ? number | ~(uint64_t)UINT32_MAX : number, negative);
}

/* LONG1 and LONG4: two's complement of any length. */
static int push_long(struct pickle_machine *machine, unsigned length_size) {
  uint64_t size;
  const uint8_t *bytes = take_number(machine, length_size, &size) ? take(machine, size) : NULL;
  if (!bytes) {
    return pickle_damaged(machine, "a number that is cut short");
  }
  bool negative = size && bytes[size - 1] & 0x80;
  uint64_t integer = negative ? UINT64_MAX : 0;
  for (uint64_t i = size < 8 ? size : 8; i-- > 0;) {
    integer = integer << 8 | bytes[i];
  }
  for (uint64_t i = 8; i < size; i++) {
    integer = !negative && bytes[i] ? UINT64_MAX : integer;
  }
  return push_integer(machine, integer, negative);
}

static int push_float(struct pickle_machine *machine) {
  const uint8_t *bytes = take(machine, 8); /* big-endian */
  uint64_t bits = 0;
  struct pickle_value value = {.kind = PICKLE_FLOAT};
  if (!bytes) {
    return pickle_damaged(machine, "a number that is cut short");
  }
  for (int i = 0; i < 8; i++) {
    bits = bits << 8 | bytes[i];
  }
  memcpy(&value.number, &bits, sizeof bits);
  return pickle_push(machine, value);
}

static int push_bool(struct pickle_machine *machine, bool value) {
  return pickle_push(machine, (struct pickle_value){.kind = PICKLE_BOOL, .integer = value});
}

static int push_text(struct pickle_machine *machine, unsigned length_size) {
  uint64_t size;
  if (!take_number(machine, length_size, &size) || size > (uint64_t)(machine->end - machine->at) || size > UINT32_MAX) {
    return pickle_damaged(machine, "a text that is cut short");
  }
  char *text = pickle_text_new(machine->pickle, take(machine, size), size);
  return text ? pickle_push(machine, (struct pickle_value){.kind = PICKLE_TEXT, .size = (uint32_t)size, .text = text})
              : error_set(machine->err, ERROR_MEMORY, "no memory for the pickle's texts; try a machine with more");
}

/* ---- opcodes ----------------------------------------------------------------------------------------------------- */

static bool is_one_of(const char *opcodes, uint8_t opcode) {
  return opcode && strchr(opcodes, opcode);
}

/* GLOBAL, STACK_GLOBAL, INST, OBJ, NEWOBJ, NEWOBJ_EX, REDUCE, BUILD, EXT1 to EXT4, PERSID, BINPERSID, NEXT_BUFFER,
 * READONLY_BUFFER; the opcodes that only protocols 0 and 1 write; and what no protocol knows. */
static int refuse(const struct pickle_machine *machine, uint8_t opcode) {
  if (is_one_of("c\x93io\x81\x92Rb\x82\x83\x84PQ\x97\x98", opcode)) {
    return error_set(machine->err, ERROR_INPUT,
                     "byte %zu asks to import, call or build an object: a pickle of plain data is needed, and nothing "
                     "else is ever run",
                     (size_t)(machine->at - machine->begin - 1));
  }
  return pickle_damaged(machine, is_one_of("ILFSVldpg", opcode) ? "an opcode of protocol 0 (2 to 5 are read)"
                                                                : "an opcode that protocols 2 to 5 do not have");
}

static int containers_opcode(struct pickle_machine *machine, uint8_t opcode) {
  switch (opcode) {
  case '(':
    return pickle_push_mark(machine);
  case ']':  /* EMPTY_LIST */
  case ')':  /* EMPTY_TUPLE */
  case 0x8f: /* EMPTY_SET */
    return pickle_push_container(machine, PICKLE_LIST, NULL, 0);
  case '}':
    return pickle_push_container(machine, PICKLE_DICT, NULL, 0);
  case 't':  /* TUPLE */
  case 0x91: /* FROZENSET */
    return pickle_push_from_mark(machine);
  case 0x85: /* TUPLE1 to TUPLE3 */
  case 0x86:
  case 0x87:
    return pickle_push_tuple(machine, opcode - 0x84u);
  case 'a': /* APPEND */
    return pickle_extend(machine, PICKLE_LIST, 1);
  case 'e':  /* APPENDS */
  case 0x90: /* ADDITEMS */
    return pickle_extend_from_mark(machine, PICKLE_LIST);
  case 's': /* SETITEM */
    return pickle_extend(machine, PICKLE_DICT, 2);
  case 'u': /* SETITEMS */
    return pickle_extend_from_mark(machine, PICKLE_DICT);
  default:
    return refuse(machine, opcode);
  }
}

static int memo_by_number(struct pickle_machine *machine, unsigned size,
                          int (*use)(struct pickle_machine *, uint64_t)) {
  uint64_t index;
  return take_number(machine, size, &index) ? use(machine, index)
                                            : pickle_damaged(machine, "a reference that is cut short");
}

static int texts_opcode(struct pickle_machine *machine, uint8_t opcode) {
  switch (opcode) {
  case 0x8c: /* SHORT_BINUNICODE */
  case 'U':  /* SHORT_BINSTRING */
  case 'C':  /* SHORT_BINBYTES */
    return push_text(machine, 1);
  case 'X': /* BINUNICODE */
  case 'T': /* BINSTRING */
  case 'B': /* BINBYTES */
    return push_text(machine, 4);
  case 0x8d: /* BINUNICODE8 */
  case 0x8e: /* BINBYTES8 */
  case 0x96: /* BYTEARRAY8 */
    return push_text(machine, 8);
  case 'h': /* BINGET */
    return memo_by_number(machine, 1, pickle_memo_get);
  case 'j': /* LONG_BINGET */
    return memo_by_number(machine, 4, pickle_memo_get);
  case 'q': /* BINPUT */
    return memo_by_number(machine, 1, pickle_memo_put);
  case 'r': /* LONG_BINPUT */
    return memo_by_number(machine, 4, pickle_memo_put);
  case 0x94: /* MEMOIZE */
    return pickle_memo_put(machine, machine->memo.count);
  default:
    return containers_opcode(machine, opcode);
  }
}

static int protocol_opcode(struct pickle_machine *machine) {
  const uint8_t *protocol = take(machine, 1);
  if (protocol && *protocol > PROTOCOL_MAX) {
    return error_set(machine->err, ERROR_INPUT, "protocol %u of pickle is newer than what is read here (2 to %d)",
                     *protocol, PROTOCOL_MAX);
  }
  return protocol ? 0 : pickle_damaged(machine, "its end is missing");
}

static int duplicate(struct pickle_machine *machine) {
  const struct pickle_value *value = pickle_top(machine, 1);
  return value ? pickle_push(machine, *value) : pickle_damaged(machine, "a value that is missing");
}

static int opcode_run(struct pickle_machine *machine, uint8_t opcode) {
  switch (opcode) {
  case 0x80:
    return protocol_opcode(machine);
  case 0x95: /* FRAME: only says how much to read at once */
    return skip(machine, 8);
  case 'N':
    return pickle_push(machine, (struct pickle_value){.kind = PICKLE_NONE});
  case 0x88: /* NEWTRUE, NEWFALSE */
  case 0x89:
    return push_bool(machine, opcode == 0x88);
  case 'J': /* BININT, BININT1, BININT2 */
    return push_number(machine, 4);
  case 'K':
    return push_number(machine, 1);
  case 'M':
    return push_number(machine, 2);
  case 0x8a:
    return push_long(machine, 1);
  case 0x8b:
    return push_long(machine, 4);
  case 'G':
    return push_float(machine);
  case '0':
    return pickle_pop(machine);
  case '1':
    return pickle_pop_mark(machine);
  case '2':
    return duplicate(machine);
  default:
    return texts_opcode(machine, opcode);
  }
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static int stop(struct pickle_machine *machine) {
  const struct pickle_value *value = pickle_top(machine, 1);
  if (!value || machine->marks.count) {
    return pickle_damaged(machine, "a value that is missing");
  }
  machine->pickle->root = *value;
  return 0;
}

/* Returns at which byte to tell again. */
static size_t tell(const struct pickle_machine *machine, const struct pickle_options *options) {
  size_t done = (size_t)(machine->at - machine->begin);
  if (options && options->progress) {
    options->progress(options->context, (double)done / (double)(machine->end - machine->begin));
  }
  return done + BYTES_PER_PROGRESS;
}

static int run(struct pickle_machine *machine, const struct pickle_options *options) {
  size_t next = 0;
  int rc = 0;
  while (rc == 0) {
    const uint8_t *opcode = take(machine, 1);
    if (!opcode) {
      return pickle_damaged(machine, "its end is missing");
    }
    if (*opcode == '.') {
      return stop(machine);
    }
    rc = opcode_run(machine, *opcode);
    if ((size_t)(machine->at - machine->begin) >= next) {
      next = tell(machine, options);
    }
  }
  return rc;
}

int pickle_parse(struct pickle **out, const uint8_t *bytes, size_t size, const struct pickle_options *options,
                 struct error *err) {
  struct pickle_machine machine = {.begin = bytes, .at = bytes, .end = bytes + size, .err = err};
  *out = NULL;
  machine.pickle = calloc(1, sizeof *machine.pickle);
  if (!machine.pickle) {
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  int rc = run(&machine, options);
  pickle_machine_fini(&machine);
  if (rc != 0) {
    pickle_close(machine.pickle);
    return rc;
  }
  *out = machine.pickle;
  return 0;
}

void pickle_close(struct pickle *pickle) {
  if (pickle) {
    pickle_memory_free(pickle);
    free(pickle);
  }
}

const struct pickle_value *pickle_root(const struct pickle *pickle) {
  return &pickle->root;
}
