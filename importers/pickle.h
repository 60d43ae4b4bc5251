/* Reads a Python pickle as data: numbers, texts, lists, tuples, sets and dicts. Nothing in it is ever imported, called or
 * executed: a pickle that asks for that is refused, where Python's own loader would obey. */
#ifndef ACTSCOPE_IMPORTERS_PICKLE_H
#define ACTSCOPE_IMPORTERS_PICKLE_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pickle_kind { PICKLE_NONE, PICKLE_BOOL, PICKLE_INT, PICKLE_FLOAT, PICKLE_TEXT, PICKLE_LIST, PICKLE_DICT };

struct pickle_container;

struct pickle_value {
  uint8_t kind;  /* enum pickle_kind; tuples and sets are lists, bytes are texts */
  bool negative; /* of an int below zero */
  uint32_t size; /* bytes of a text */
  union {
    uint64_t integer; /* two's complement; an int beyond 64 bits is cut to its largest value */
    double number;
    const char *text;                   /* size bytes and a NUL */
    struct pickle_container *container; /* may be shared, and may hold itself */
  };
};

struct pickle_container {
  struct pickle_value *items;    /* of a dict: key, value, key, value ... */
  uint32_t count, room;          /* values */
  uint32_t mark;                 /* the user's, 0 at first: see pickle_mark */
  struct pickle_container *next; /* that the same pickle owns */
};

struct pickle; /* owns every value */

struct pickle_options {
  void (*progress)(void *context, double share); /* may be NULL */
  void *context;
};

/* Parses the pickle at bytes, of protocol 2 to 5 (Python 3 writes 3 or more); what follows its end is not looked at. On
 * success the caller ends *out with pickle_close; the bytes are not needed any more. options may be NULL. ERROR_INPUT:
 * damaged, cut short, or it holds more than data. ERROR_MEMORY. */
int pickle_parse(struct pickle **out, const uint8_t *bytes, size_t size, const struct pickle_options *options,
                 struct error *err);
void pickle_close(struct pickle *pickle); /* NULL allowed */

const struct pickle_value *pickle_root(const struct pickle *pickle);

/* Values of containers; NULL if `value` is NULL, of another kind, or has no such item. Of equal keys the last counts. */
size_t pickle_count(const struct pickle_value *value); /* of a list's items or a dict's keys, else 0 */
const struct pickle_value *pickle_at(const struct pickle_value *list, size_t index);
const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key);

/* A number of the list or dict itself, for the user to set: the same wherever the same object is referred to. NULL: value is
 * none. */
uint32_t *pickle_mark(const struct pickle_value *value);

/* What NULL, another kind, or an int below zero makes of it: the fallback. */
uint64_t pickle_u64(const struct pickle_value *value, uint64_t fallback);
const char *pickle_text(const struct pickle_value *value, const char *fallback);

#endif
