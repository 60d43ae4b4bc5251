/* What the values of a pickle are asked for. */
#include "importers/pickle.h"

#include <string.h>

size_t pickle_count(const struct pickle_value *value) {
  if (!value || (value->kind != PICKLE_LIST && value->kind != PICKLE_DICT)) {
    return 0;
  }
  return value->kind == PICKLE_DICT ? value->container->count / 2 : value->container->count;
}

const struct pickle_value *pickle_at(const struct pickle_value *list, size_t index) {
  bool has = list && list->kind == PICKLE_LIST && index < list->container->count;
  return has ? &list->container->items[index] : NULL;
}

const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key) {
  if (!dict || dict->kind != PICKLE_DICT) {
    return NULL;
  }
  for (size_t i = dict->container->count; i >= 2; i -= 2) {
    const struct pickle_value *name = &dict->container->items[i - 2];
    if (name->kind == PICKLE_TEXT && strcmp(name->text, key) == 0) {
      return name + 1;
    }
  }
  return NULL;
}

uint32_t *pickle_mark(const struct pickle_value *value) {
  return value && (value->kind == PICKLE_LIST || value->kind == PICKLE_DICT) ? &value->container->mark : NULL;
}

uint64_t pickle_u64(const struct pickle_value *value, uint64_t fallback) {
  return value && (value->kind == PICKLE_INT || value->kind == PICKLE_BOOL) && !value->negative ? value->integer
                                                                                                : fallback;
}

const char *pickle_text(const struct pickle_value *value, const char *fallback) {
  return value && value->kind == PICKLE_TEXT ? value->text : fallback;
}
