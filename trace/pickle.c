/* A stack machine of those opcodes that make data (Python's Lib/pickletools.py lists all, with their meaning). */
#include "trace/pickle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK = 1 << 20 };

struct arena_block {
  struct arena_block *next;
  size_t used, room;
  _Alignas(16) uint8_t bytes[];
};

struct pickle {
  struct arena_block *texts;
  struct pickle_container *containers;
  struct pickle_value root;
};

struct values { /* a growing array */
  struct pickle_value *items;
  size_t count, room;
};

struct machine {
  struct pickle *pickle;
  const uint8_t *begin, *at, *end;
  struct values stack, memo;
  struct { /* the heights of the stack at each MARK */
    size_t *items;
    size_t count, room;
  } marks;
  struct error *err;
};

/* ---- errors ------------------------------------------------------------------------------------------------------ */

static int damaged(const struct machine *machine, const char *what) {
  return error_set(machine->err, ERROR_INPUT, "%s at byte %zu: not a whole pickle; save it again", what,
                   (size_t)(machine->at - machine->begin));
}

static int no_memory(const struct machine *machine) {
  return error_set(machine->err, ERROR_MEMORY, "no memory for what the pickle holds; try a machine with more");
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static char *text_new(struct pickle *pickle, const void *bytes, size_t size) {
  struct arena_block *block = pickle->texts;
  if (!block || block->room - block->used <= size) {
    size_t room = size + 1 > ARENA_BLOCK ? size + 1 : ARENA_BLOCK;
    block = malloc(sizeof *block + room);
    if (!block) {
      return NULL;
    }
    *block = (struct arena_block){.next = pickle->texts, .room = room};
    pickle->texts = block;
  }
  char *text = (char *)block->bytes + block->used;
  memcpy(text, bytes, size);
  text[size] = '\0';
  block->used += size + 1;
  return text;
}

static struct pickle_container *container_new(struct pickle *pickle) {
  struct pickle_container *container = calloc(1, sizeof *container);
  if (container) {
    container->next = pickle->containers;
    pickle->containers = container;
  }
  return container;
}

static int container_add(const struct machine *machine, struct pickle_container *container,
                         const struct pickle_value *values, size_t count) {
  if (count > UINT32_MAX / 2 - container->count) {
    return damaged(machine, "a list too long");
  }
  size_t needed = container->count + count;
  if (needed > container->room) {
    size_t room = container->room ? container->room * 2u : needed; /* most are made in one go */
    room = room < needed ? needed : room;
    struct pickle_value *items = realloc(container->items, room * sizeof *items);
    if (!items) {
      return no_memory(machine);
    }
    container->items = items;
    container->room = (uint32_t)room;
  }
  if (count) {
    memcpy(container->items + container->count, values, count * sizeof *values);
  }
  container->count = (uint32_t)needed;
  return 0;
}

static int values_set(const struct machine *machine, struct values *values, size_t index,
                      const struct pickle_value *value) {
  if (index >= values->room) {
    size_t room = index < 64 ? 128 : index * 2;
    struct pickle_value *items = realloc(values->items, room * sizeof *items);
    if (!items) {
      return no_memory(machine);
    }
    values->items = items;
    values->room = room;
  }
  values->items[index] = *value;
  return 0;
}

/* ---- the stack ---------------------------------------------------------------------------------------------------- */

static int push(struct machine *machine, struct pickle_value value) {
  int rc = values_set(machine, &machine->stack, machine->stack.count, &value);
  machine->stack.count += rc == 0;
  return rc;
}

static size_t floor_of(const struct machine *machine) {
  return machine->marks.count ? machine->marks.items[machine->marks.count - 1] : 0;
}

/* The topmost `count` values above the last mark; NULL: there are not so many. */
static struct pickle_value *top(const struct machine *machine, size_t count) {
  return machine->stack.count - floor_of(machine) < count ? NULL
                                                          : machine->stack.items + (machine->stack.count - count);
}

static int push_mark(struct machine *machine) {
  if (machine->marks.count == machine->marks.room) {
    size_t room = machine->marks.room ? machine->marks.room * 2 : 64;
    size_t *items = realloc(machine->marks.items, room * sizeof *items);
    if (!items) {
      return no_memory(machine);
    }
    machine->marks.items = items;
    machine->marks.room = room;
  }
  machine->marks.items[machine->marks.count++] = machine->stack.count;
  return 0;
}

/* Takes the last mark away: *values are those above it, which stay where they are until the next push. */
static int pop_to_mark(struct machine *machine, struct pickle_value **values, size_t *count) {
  if (!machine->marks.count) {
    return damaged(machine, "a list without its beginning");
  }
  size_t height = machine->marks.items[--machine->marks.count];
  *values = machine->stack.items + height;
  *count = machine->stack.count - height;
  machine->stack.count = height;
  return 0;
}

static int push_container(struct machine *machine, enum pickle_kind kind, const struct pickle_value *values,
                          size_t count) {
  struct pickle_container *container = container_new(machine->pickle);
  int rc = container ? container_add(machine, container, values, count) : no_memory(machine);
  return rc == 0 ? push(machine, (struct pickle_value){.kind = (uint8_t)kind, .container = container}) : rc;
}

/* A tuple of the topmost values. */
static int push_tuple(struct machine *machine, size_t count) {
  const struct pickle_value *values = top(machine, count);
  if (!values) {
    return damaged(machine, "a tuple of too few values");
  }
  struct pickle_value copies[3];
  memcpy(copies, values, count * sizeof *values);
  machine->stack.count -= count;
  return push_container(machine, PICKLE_LIST, copies, count);
}

/* A new list of what stands above the last mark. */
static int push_from_mark(struct machine *machine) {
  struct pickle_value *values = NULL;
  size_t count = 0;
  int rc = pop_to_mark(machine, &values, &count);
  return rc == 0 ? push_container(machine, PICKLE_LIST, values, count) : rc;
}

/* Adds values to the container below them. */
static int extend(struct machine *machine, enum pickle_kind kind, const struct pickle_value *values, size_t count) {
  const struct pickle_value *below = top(machine, 1);
  if (!below || below->kind != kind || (kind == PICKLE_DICT && count % 2)) {
    return damaged(machine, "items of something that holds none");
  }
  return container_add(machine, below->container, values, count);
}

static int extend_from_mark(struct machine *machine, enum pickle_kind kind) {
  struct pickle_value *values = NULL;
  size_t count = 0;
  int rc = pop_to_mark(machine, &values, &count);
  return rc == 0 ? extend(machine, kind, values, count) : rc;
}

static int extend_by(struct machine *machine, enum pickle_kind kind, size_t count) {
  const struct pickle_value *values = top(machine, count);
  if (!values) {
    return damaged(machine, "an item that is missing");
  }
  machine->stack.count -= count;
  return extend(machine, kind, values, count);
}

/* ---- arguments ---------------------------------------------------------------------------------------------------- */

static const uint8_t *take(struct machine *machine, uint64_t size) {
  if (size > (uint64_t)(machine->end - machine->at)) {
    return NULL;
  }
  const uint8_t *bytes = machine->at;
  machine->at += size;
  return bytes;
}

/* A little-endian number of 1 to 8 bytes. */
static bool take_number(struct machine *machine, unsigned size, uint64_t *number) {
  const uint8_t *bytes = take(machine, size);
  *number = 0;
  for (unsigned i = size; bytes && i-- > 0;) {
    *number = *number << 8 | bytes[i];
  }
  return bytes != NULL;
}

static int push_integer(struct machine *machine, uint64_t integer, bool negative) {
  return push(machine, (struct pickle_value){.kind = PICKLE_INT, .negative = negative, .integer = integer});
}

static int push_bool(struct machine *machine, bool value) {
  return push(machine, (struct pickle_value){.kind = PICKLE_BOOL, .integer = value});
}

static int push_text(struct machine *machine, unsigned length_size) {
  uint64_t size;
  if (!take_number(machine, length_size, &size) || size > (uint64_t)(machine->end - machine->at) || size > UINT32_MAX) {
    return damaged(machine, "a text that is cut short");
  }
  char *text = text_new(machine->pickle, take(machine, size), size);
  return text ? push(machine, (struct pickle_value){.kind = PICKLE_TEXT, .size = (uint32_t)size, .text = text})
              : no_memory(machine);
}

/* LONG1 and LONG4: two's complement of any length. */
static int push_long(struct machine *machine, unsigned length_size) {
  uint64_t size;
  const uint8_t *bytes = take_number(machine, length_size, &size) ? take(machine, size) : NULL;
  if (!bytes) {
    return damaged(machine, "a number that is cut short");
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

static int push_float(struct machine *machine) {
  const uint8_t *bytes = take(machine, 8); /* big-endian */
  uint64_t bits = 0;
  struct pickle_value value = {.kind = PICKLE_FLOAT};
  if (!bytes) {
    return damaged(machine, "a number that is cut short");
  }
  for (int i = 0; i < 8; i++) {
    bits = bits << 8 | bytes[i];
  }
  memcpy(&value.number, &bits, sizeof bits);
  return push(machine, value);
}

/* ---- memo --------------------------------------------------------------------------------------------------------- */

static int memo_put(struct machine *machine, uint64_t index) {
  const struct pickle_value *value = top(machine, 1);
  if (!value || index > (uint64_t)(machine->at - machine->begin)) { /* each takes a byte: a larger one is a lie */
    return damaged(machine, "a reference to nothing");
  }
  for (size_t i = machine->memo.count; i < index; i++) {
    struct pickle_value none = {.kind = PICKLE_NONE};
    int rc = values_set(machine, &machine->memo, i, &none);
    if (rc != 0) {
      return rc;
    }
  }
  struct pickle_value copy = *value;
  int rc = values_set(machine, &machine->memo, index, &copy);
  machine->memo.count = index >= machine->memo.count ? index + 1 : machine->memo.count;
  return rc;
}

static int memo_get(struct machine *machine, uint64_t index) {
  return index < machine->memo.count ? push(machine, machine->memo.items[index])
                                     : damaged(machine, "a reference to nothing");
}

static int memo_by_number(struct machine *machine, unsigned size, int (*use)(struct machine *, uint64_t)) {
  uint64_t index;
  return take_number(machine, size, &index) ? use(machine, index) : damaged(machine, "a reference that is cut short");
}

/* ---- opcodes ------------------------------------------------------------------------------------------------------- */

static int number_of(struct machine *machine, unsigned size, bool is_signed) {
  uint64_t number;
  if (!take_number(machine, size, &number)) {
    return damaged(machine, "a number that is cut short");
  }
  bool negative = is_signed && number >> 31 & 1;
  return push_integer(machine, negative ? number | ~(uint64_t)UINT32_MAX : number, negative);
}

static int skip(struct machine *machine, uint64_t size) {
  return take(machine, size) ? 0 : damaged(machine, "its end is missing");
}

static int drop(struct machine *machine) {
  if (machine->stack.count == floor_of(machine) && machine->marks.count) {
    machine->marks.count--;
    return 0;
  }
  if (!top(machine, 1)) {
    return damaged(machine, "a value that is missing");
  }
  machine->stack.count--;
  return 0;
}

/* GLOBAL, STACK_GLOBAL, INST, OBJ, NEWOBJ, NEWOBJ_EX, REDUCE, BUILD, EXT1 to EXT4, PERSID, BINPERSID, NEXT_BUFFER,
 * READONLY_BUFFER, and what no protocol knows. */
static int refuse(const struct machine *machine, uint8_t opcode) {
  if (strchr("c\x93io\x81\x92Rb\x82\x83\x84PQ\x97\x98", opcode)) {
    return error_set(machine->err, ERROR_INPUT,
                     "byte %zu asks to import, call or build an object: a pickle of plain data is needed, and nothing "
                     "else is ever run",
                     (size_t)(machine->at - machine->begin - 1));
  }
  return damaged(machine, "an opcode that protocols 2 to 5 do not have for data");
}

static int containers_opcode(struct machine *machine, uint8_t opcode) {
  switch (opcode) {
  case '(':
    return push_mark(machine);
  case ']':  /* EMPTY_LIST */
  case ')':  /* EMPTY_TUPLE */
  case 0x8f: /* EMPTY_SET */
    return push_container(machine, PICKLE_LIST, NULL, 0);
  case '}':
    return push_container(machine, PICKLE_DICT, NULL, 0);
  case 't':  /* TUPLE */
  case 0x91: /* FROZENSET */
    return push_from_mark(machine);
  case 0x85: /* TUPLE1 to TUPLE3 */
  case 0x86:
  case 0x87:
    return push_tuple(machine, opcode - 0x84u);
  case 'a': /* APPEND */
    return extend_by(machine, PICKLE_LIST, 1);
  case 'e':  /* APPENDS */
  case 0x90: /* ADDITEMS */
    return extend_from_mark(machine, PICKLE_LIST);
  case 's': /* SETITEM */
    return extend_by(machine, PICKLE_DICT, 2);
  case 'u': /* SETITEMS */
    return extend_from_mark(machine, PICKLE_DICT);
  default:
    return refuse(machine, opcode);
  }
}

static int texts_opcode(struct machine *machine, uint8_t opcode) {
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
    return memo_by_number(machine, 1, memo_get);
  case 'j': /* LONG_BINGET */
    return memo_by_number(machine, 4, memo_get);
  case 'q': /* BINPUT */
    return memo_by_number(machine, 1, memo_put);
  case 'r': /* LONG_BINPUT */
    return memo_by_number(machine, 4, memo_put);
  case 0x94: /* MEMOIZE */
    return memo_put(machine, machine->memo.count);
  default:
    return containers_opcode(machine, opcode);
  }
}

static int opcode_run(struct machine *machine, uint8_t opcode) {
  switch (opcode) {
  case 0x80: /* PROTO */
    return skip(machine, 1);
  case 0x95: /* FRAME: only says how much to read at once */
    return skip(machine, 8);
  case 'N':
    return push(machine, (struct pickle_value){.kind = PICKLE_NONE});
  case 0x88:
  case 0x89:
    return push_bool(machine, opcode == 0x88);
  case 'J': /* BININT */
    return number_of(machine, 4, true);
  case 'K': /* BININT1 */
    return number_of(machine, 1, false);
  case 'M': /* BININT2 */
    return number_of(machine, 2, false);
  case 0x8a:
    return push_long(machine, 1);
  case 0x8b:
    return push_long(machine, 4);
  case 'G':
    return push_float(machine);
  case '0':
    return drop(machine);
  case '1': { /* POP_MARK */
    struct pickle_value *values;
    size_t count;
    return pop_to_mark(machine, &values, &count);
  }
  case '2': { /* DUP */
    const struct pickle_value *value = top(machine, 1);
    return value ? push(machine, *value) : damaged(machine, "a value that is missing");
  }
  default:
    return texts_opcode(machine, opcode);
  }
}

static int run(struct machine *machine) {
  int rc = 0;
  while (rc == 0) {
    const uint8_t *opcode = take(machine, 1);
    if (!opcode) {
      return damaged(machine, "its end is missing");
    }
    if (*opcode == '.') {
      const struct pickle_value *value = top(machine, 1);
      if (!value || machine->marks.count) {
        return damaged(machine, "a value that is missing");
      }
      machine->pickle->root = *value;
      return 0;
    }
    rc = opcode_run(machine, *opcode);
  }
  return rc;
}

int pickle_parse(struct pickle **out, const uint8_t *bytes, size_t size, struct error *err) {
  struct machine machine = {.begin = bytes, .at = bytes, .end = bytes + size, .err = err};
  *out = NULL;
  machine.pickle = calloc(1, sizeof *machine.pickle);
  int rc = machine.pickle ? run(&machine) : no_memory(&machine);
  free(machine.stack.items);
  free(machine.memo.items);
  free(machine.marks.items);
  if (rc != 0) {
    pickle_close(machine.pickle);
    return rc;
  }
  *out = machine.pickle;
  return 0;
}

void pickle_close(struct pickle *pickle) {
  if (!pickle) {
    return;
  }
  for (struct pickle_container *container = pickle->containers, *next; container; container = next) {
    next = container->next;
    free(container->items);
    free(container);
  }
  for (struct arena_block *block = pickle->texts, *next; block; block = next) {
    next = block->next;
    free(block);
  }
  free(pickle);
}

const struct pickle_value *pickle_root(const struct pickle *pickle) {
  return &pickle->root;
}
