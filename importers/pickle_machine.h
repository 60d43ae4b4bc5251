/* The stack machine that a pickle is a program of: its values, marks and memo, and the memory of what it makes. What an
 * opcode does is in pickle.c. Private to pickle*.c.
 *
 * Functions return 0, ERROR_INPUT (the program makes no sense) or ERROR_MEMORY, with a message in machine->err. */
#ifndef ACTSCOPE_IMPORTERS_PICKLE_MACHINE_H
#define ACTSCOPE_IMPORTERS_PICKLE_MACHINE_H

#include "importers/pickle.h"

struct pickle_arena;

struct pickle {
  struct pickle_arena *arena;          /* texts and containers, the newest block first */
  struct pickle_container *containers; /* whose items go with them */
  struct pickle_value root;
};

struct pickle_values { /* a growing array */
  struct pickle_value *items;
  size_t count, room;
};

struct pickle_machine {
  struct pickle *pickle;
  const uint8_t *begin, *at, *end;
  struct pickle_values stack, memo;
  struct { /* the heights of the stack at each MARK */
    size_t *items;
    size_t count, room;
  } marks;
  struct error *err;
};

void pickle_machine_fini(struct pickle_machine *machine); /* but for the pickle */

int pickle_damaged(const struct pickle_machine *machine, const char *what);

/* A text or container of the pickle's; NULL: no memory. */
char *pickle_text_new(struct pickle *pickle, const void *bytes, size_t size);
void pickle_memory_free(struct pickle *pickle);

/* The topmost `count` values above the last mark; NULL: there are not so many. */
struct pickle_value *pickle_top(const struct pickle_machine *machine, size_t count);
int pickle_push(struct pickle_machine *machine, struct pickle_value value);
int pickle_pop(struct pickle_machine *machine); /* a value, or a mark with nothing above it */
int pickle_push_mark(struct pickle_machine *machine);
int pickle_pop_mark(struct pickle_machine *machine); /* with what is above it */

int pickle_push_container(struct pickle_machine *machine, enum pickle_kind kind, const struct pickle_value *values,
                          size_t count);
int pickle_push_tuple(struct pickle_machine *machine, size_t count); /* of the topmost values, 3 at most */
int pickle_push_from_mark(struct pickle_machine *machine);           /* a list of what is above the mark */
int pickle_extend(struct pickle_machine *machine, enum pickle_kind kind,
                  size_t count); /* what is below by the topmost */
int pickle_extend_from_mark(struct pickle_machine *machine, enum pickle_kind kind);

int pickle_memo_put(struct pickle_machine *machine, uint64_t index);
int pickle_memo_get(struct pickle_machine *machine, uint64_t index);

#endif
