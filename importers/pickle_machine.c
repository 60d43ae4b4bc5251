/* The machine behind the opcodes of a pickle: see the header. */
#include "importers/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK = 1 << 20, ARENA_ALIGNMENT = 8 };

struct pickle_arena {
  struct pickle_arena *next;
  size_t used, room;
  _Alignas(16) uint8_t bytes[];
};

int pickle_damaged(const struct pickle_machine *machine, const char *what) {
  return error_set(machine->err, ERROR_INPUT, "%s at byte %zu: not a whole pickle; save it again", what,
                   (size_t)(machine->at - machine->begin));
}

static int no_memory(const struct pickle_machine *machine) {
  return error_set(machine->err, ERROR_MEMORY, "no memory for what the pickle holds; try a machine with more");
}

void pickle_machine_fini(struct pickle_machine *machine) {
  free(machine->stack.items);
  free(machine->memo.items);
  free(machine->marks.items);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void *arena_take(struct pickle *pickle, size_t size) {
  struct pickle_arena *block = pickle->arena;
  size = (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
  if (!block || block->room - block->used < size) {
    size_t room = size > ARENA_BLOCK ? size : ARENA_BLOCK;
    block = malloc(sizeof *block + room);
    if (!block) {
      return NULL;
    }
    *block = (struct pickle_arena){.next = pickle->arena, .room = room};
    pickle->arena = block;
  }
  void *taken = block->bytes + block->used;
  block->used += size;
  return taken;
}

char *pickle_text_new(struct pickle *pickle, const void *bytes, size_t size) {
  char *text = arena_take(pickle, size + 1);
  if (text) {
    memcpy(text, bytes, size);
    text[size] = '\0';
  }
  return text;
}

static struct pickle_container *container_new(struct pickle *pickle) {
  struct pickle_container *container = arena_take(pickle, sizeof *container);
  if (container) {
    *container = (struct pickle_container){.next = pickle->containers};
    pickle->containers = container;
  }
  return container;
}

void pickle_memory_free(struct pickle *pickle) {
  for (struct pickle_container *container = pickle->containers; container; container = container->next) {
    free(container->items);
  }
  for (struct pickle_arena *block = pickle->arena, *next; block; block = next) {
    next = block->next;
    free(block);
  }
}

static int container_add(const struct pickle_machine *machine, struct pickle_container *container,
                         const struct pickle_value *values, size_t count) {
  if (count > UINT32_MAX / 2 - container->count) {
    return pickle_damaged(machine, "a list too long");
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

static int values_set(const struct pickle_machine *machine, struct pickle_values *values, size_t index,
                      struct pickle_value value) {
  if (index >= values->room) {
    size_t room = index < 64 ? 128 : index * 2;
    struct pickle_value *items = realloc(values->items, room * sizeof *items);
    if (!items) {
      return no_memory(machine);
    }
    values->items = items;
    values->room = room;
  }
  values->items[index] = value;
  return 0;
}

/* ---- the stack --------------------------------------------------------------------------------------------------- */

int pickle_push(struct pickle_machine *machine, struct pickle_value value) {
  int rc = values_set(machine, &machine->stack, machine->stack.count, value);
  machine->stack.count += rc == 0;
  return rc;
}

static size_t floor_of(const struct pickle_machine *machine) {
  return machine->marks.count ? machine->marks.items[machine->marks.count - 1] : 0;
}

struct pickle_value *pickle_top(const struct pickle_machine *machine, size_t count) {
  return machine->stack.count - floor_of(machine) < count ? NULL
                                                          : machine->stack.items + (machine->stack.count - count);
}

int pickle_pop(struct pickle_machine *machine) {
  if (machine->marks.count && machine->stack.count == floor_of(machine)) {
    machine->marks.count--;
    return 0;
  }
  if (!machine->stack.count) {
    return pickle_damaged(machine, "a value that is missing");
  }
  machine->stack.count--;
  return 0;
}

int pickle_push_mark(struct pickle_machine *machine) {
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

/* *values are those above the mark; they stay where they are until the next push. */
static int take_above_mark(struct pickle_machine *machine, struct pickle_value **values, size_t *count) {
  if (!machine->marks.count) {
    return pickle_damaged(machine, "a list without its beginning");
  }
  size_t height = machine->marks.items[--machine->marks.count];
  *values = machine->stack.items + height;
  *count = machine->stack.count - height;
  machine->stack.count = height;
  return 0;
}

int pickle_pop_mark(struct pickle_machine *machine) {
  struct pickle_value *values;
  size_t count;
  return take_above_mark(machine, &values, &count);
}

/* ---- containers -------------------------------------------------------------------------------------------------- */

int pickle_push_container(struct pickle_machine *machine, enum pickle_kind kind, const struct pickle_value *values,
                          size_t count) {
  struct pickle_container *container = container_new(machine->pickle);
  int rc = container ? container_add(machine, container, values, count) : no_memory(machine);
  return rc == 0 ? pickle_push(machine, (struct pickle_value){.kind = (uint8_t)kind, .container = container}) : rc;
}

int pickle_push_tuple(struct pickle_machine *machine, size_t count) {
  const struct pickle_value *values = pickle_top(machine, count);
  if (!values) {
    return pickle_damaged(machine, "a tuple of too few values");
  }
  machine->stack.count -= count;
  return pickle_push_container(machine, PICKLE_LIST, values, count); /* copies them before it pushes */
}

int pickle_push_from_mark(struct pickle_machine *machine) {
  struct pickle_value *values = NULL;
  size_t count = 0;
  int rc = take_above_mark(machine, &values, &count);
  return rc == 0 ? pickle_push_container(machine, PICKLE_LIST, values, count) : rc;
}

static int extend_by(const struct pickle_machine *machine, enum pickle_kind kind, const struct pickle_value *values,
                     size_t count) {
  const struct pickle_value *below = pickle_top(machine, 1);
  if (!below || below->kind != kind || (kind == PICKLE_DICT && count % 2)) {
    return pickle_damaged(machine, "items of something that holds none");
  }
  return container_add(machine, below->container, values, count);
}

int pickle_extend(struct pickle_machine *machine, enum pickle_kind kind, size_t count) {
  const struct pickle_value *values = pickle_top(machine, count);
  if (!values) {
    return pickle_damaged(machine, "an item that is missing");
  }
  machine->stack.count -= count;
  return extend_by(machine, kind, values, count);
}

int pickle_extend_from_mark(struct pickle_machine *machine, enum pickle_kind kind) {
  struct pickle_value *values = NULL;
  size_t count = 0;
  int rc = take_above_mark(machine, &values, &count);
  return rc == 0 ? extend_by(machine, kind, values, count) : rc;
}

/* ---- memo -------------------------------------------------------------------------------------------------------- */

/* Each entry that is put takes a byte at least, so an index beyond those read so far is a lie. */
int pickle_memo_put(struct pickle_machine *machine, uint64_t index) {
  const struct pickle_value *value = pickle_top(machine, 1);
  if (!value || index > (uint64_t)(machine->at - machine->begin)) {
    return pickle_damaged(machine, "a reference to nothing");
  }
  int rc = 0;
  for (size_t i = machine->memo.count; rc == 0 && i < index; i++) {
    rc = values_set(machine, &machine->memo, i, (struct pickle_value){.kind = PICKLE_NONE});
    machine->memo.count += rc == 0;
  }
  rc = rc == 0 ? values_set(machine, &machine->memo, index, *value) : rc;
  machine->memo.count = rc == 0 && index >= machine->memo.count ? index + 1 : machine->memo.count;
  return rc;
}

int pickle_memo_get(struct pickle_machine *machine, uint64_t index) {
  return index < machine->memo.count ? pickle_push(machine, machine->memo.items[index])
                                     : pickle_damaged(machine, "a reference to nothing");
}
