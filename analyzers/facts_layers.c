/* Sums by layer: one entry a block, sorted by name, neighbours of one name added up. */
#include "analyzers/facts_layers.h"

#include "analyzers/strings.h"
#include "common/error.h"

#include <stdlib.h>
#include <string.h>

static bool is_number(const char *part, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (part[i] < '0' || part[i] > '9') {
      return false;
    }
  }
  return size > 0;
}

static int by_layer(const void *a, const void *b) {
  return strcmp(((const struct facts_layer *)a)->layer, ((const struct facts_layer *)b)->layer);
}

/* Are there layers below this one? The items are sorted by layer. */
static bool has_inner(const struct facts_layers *layers, const char *name, size_t size) {
  size_t first = 0, last = layers->count;
  while (first < last) {
    size_t middle = (first + last) / 2;
    const char *layer = layers->items[middle].layer;
    int order = strncmp(layer, name, size);
    if (order < 0 || (order == 0 && layer[size] < '.')) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return first < layers->count && strncmp(layers->items[first].layer, name, size) == 0 &&
         layers->items[first].layer[size] == '.';
}

/* Numbers that are a whole part of a name tell like layers apart, so the pattern has "*" for them; but not for a number at
 * the end with nothing below, which tells unlike ones apart: mlp.0, mlp.1 and mlp.2 of a Sequential. */
static const char *pattern_of(const struct facts_layers *layers, const char *name) {
  char *pattern = malloc(strlen(name) + 1), *out = pattern;
  if (!pattern) {
    return NULL;
  }
  for (const char *part = name;;) {
    size_t size = strcspn(part, ".");
    bool star = is_number(part, size) && (part[size] || has_inner(layers, name, (size_t)(part + size - name)));
    memcpy(out, star ? "*" : part, star ? 1 : size);
    out += star ? 1 : size;
    if (!part[size]) {
      break;
    }
    *out++ = '.';
    part += size + 1;
  }
  const char *interned = strings_intern_bytes(layers->strings, pattern, (size_t)(out - pattern));
  free(pattern);
  return interned;
}

static int by_name(const void *a, const void *b) {
  const struct facts_layer *x = a, *y = b;
  int order = strcmp(x->pattern, y->pattern);
  return order ? order : strcmp(x->layer, y->layer);
}

static int larger_first(const void *a, const void *b) {
  const struct facts_layer *x = a, *y = b;
  return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes) : by_layer(a, b);
}

/* Adds up neighbours: first those of one layer, then, if asked for, those of one pattern. */
static void add_up(struct facts_layers *layers, bool like_together) {
  size_t count = 0;
  const char *last = ""; /* the layer counted last within the entry */
  for (size_t i = 0; i < layers->count; i++) {
    const struct facts_layer *next = &layers->items[i];
    struct facts_layer *sum = count ? &layers->items[count - 1] : NULL;
    bool same_layer = sum && strcmp(last, next->layer) == 0;
    last = next->layer;
    if (!sum || !(same_layer || (like_together && strcmp(sum->pattern, next->pattern) == 0))) {
      layers->items[count++] = *next;
      continue;
    }
    sum->bytes += next->bytes;
    sum->blocks += next->blocks;
    sum->eligible_bytes += next->eligible_bytes;
    sum->layers += !same_layer;
  }
  layers->count = count;
}

static int list_blocks(struct facts_layers *layers, const struct facts *facts) {
  layers->strings = strings_open();
  layers->items = calloc(facts->saved_count, sizeof *layers->items);
  if (!layers->strings || !layers->items) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < facts->saved_count; i++) {
    const struct facts_saved_block *block = &facts->saved[i];
    layers->items[layers->count++] = (struct facts_layer){.layer = block->layer,
                                                          .bytes = block->bytes,
                                                          .blocks = 1,
                                                          .eligible_bytes = block->eligible ? block->bytes : 0,
                                                          .layers = 1};
  }
  qsort(layers->items, layers->count, sizeof *layers->items, by_layer);
  for (size_t i = 0; i < layers->count; i++) {
    layers->items[i].pattern = pattern_of(layers, layers->items[i].layer);
    if (!layers->items[i].pattern) {
      return ERROR_MEMORY;
    }
  }
  return 0;
}

static bool has_layers(const struct facts *facts) {
  for (size_t i = 0; i < facts->saved_count; i++) {
    if (facts->saved[i].layer && *facts->saved[i].layer) {
      return true;
    }
  }
  return false;
}

int facts_layers_init(struct facts_layers *layers, const struct facts *facts, bool like_together) {
  *layers = (struct facts_layers){0};
  if (!has_layers(facts)) {
    return 0;
  }
  int rc = list_blocks(layers, facts);
  if (rc != 0) {
    facts_layers_fini(layers);
    return rc;
  }
  qsort(layers->items, layers->count, sizeof *layers->items, by_name);
  add_up(layers, like_together);
  qsort(layers->items, layers->count, sizeof *layers->items, larger_first);
  return 0;
}

void facts_layers_fini(struct facts_layers *layers) {
  free(layers->items);
  strings_close(layers->strings);
  *layers = (struct facts_layers){0};
}
