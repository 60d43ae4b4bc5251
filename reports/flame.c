/* Stacks are added one by one from their outermost frame; a node is found by its parent and its name's number. */
#include "reports/flame.h"

#include "analyzers/map64.h"
#include "analyzers/site.h"
#include "analyzers/strings.h"
#include "common/error.h"
#include "reports/frames.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct builder {
  struct flame *flame;
  struct map64 names;    /* an interned name's address: its number, from 1 on */
  struct map64 children; /* parent + 1 and a name's number: the node */
};

/* ---- frames ------------------------------------------------------------------------------------------------------ */

/* "libc.so.6+0x1234" is an address as much as "0x1234" is. */
static bool has_no_name(const struct facts_frame *frame) {
  return frames_is_nameless(frame) || strstr(frame->function, "+0x");
}

static bool has_python_lines(const struct facts_stack *stack) {
  for (size_t i = 0; stack && i < stack->frames_count; i++) {
    if (site_is_python(&stack->frames[i])) {
      return true;
    }
  }
  return false;
}

/* What the frame is called; NULL: it is left out. Interned, so that equal names are one pointer. */
static const char *name_of(struct strings *strings, const struct facts_frame *frame, bool has_lines, bool *failed) {
  char text[512];
  const char *name = NULL;
  if (has_lines && site_is_interpreter(frame)) {
    return NULL;
  }
  if (site_is_python(frame)) {
    const char *slash = strrchr(frame->file, '/');
    snprintf(text, sizeof text, "%.300s (%.150s:%u)", frame->function, slash ? slash + 1 : frame->file, frame->line);
    name = strings_intern(strings, text);
  } else if (site_is_interpreter(frame)) {
    snprintf(text, sizeof text, "[%.300s]", frame->module);
    name = strings_intern(strings, text);
  } else if (has_no_name(frame)) {
    return NULL;
  } else {
    name = strings_intern(strings, frame->function);
  }
  *failed = *failed || !name;
  return name;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

/* NULL: no memory. */
static struct flame_node *new_node(struct flame *flame, uint32_t parent, const char *name) {
  if (flame->count == flame->capacity) {
    const size_t capacity = flame->capacity ? 2 * flame->capacity : 256;
    struct flame_node *nodes = realloc(flame->nodes, capacity * sizeof *nodes);
    if (!nodes) {
      return NULL;
    }
    flame->nodes = nodes;
    flame->capacity = capacity;
  }
  flame->nodes[flame->count] =
      (struct flame_node){.name = name, .parent = parent, .depth = flame->count ? flame->nodes[parent].depth + 1 : 0};
  return &flame->nodes[flame->count++];
}

static void add(struct flame_node *node, uint64_t bytes, uint64_t blocks, enum category category) {
  node->bytes += bytes;
  node->blocks += blocks;
  node->categories[category] += bytes;
}

/* The parent's child of that name, made if there was none. False: no memory. */
static bool find_child(struct builder *builder, uint32_t parent, const char *name, uint32_t *child) {
  uint64_t *number = map64_put(&builder->names, (uint64_t)(uintptr_t)name);
  if (!number) {
    return false;
  }
  *number = *number ? *number : builder->names.count;
  uint64_t *found = map64_put(&builder->children, ((uint64_t)(parent + 1) << 32) | *number);
  if (!found) {
    return false;
  }
  if (!*found) { /* the root is nobody's child */
    if (!new_node(builder->flame, parent, name)) {
      return false;
    }
    *found = builder->flame->count - 1;
  }
  *child = (uint32_t)*found;
  return true;
}

static int add_site(struct builder *builder, const struct facts *facts, const struct facts_site *site) {
  const struct facts_stack *stack = frames_find(facts, site->stack);
  struct flame *flame = builder->flame;
  const char *before = NULL;
  uint32_t node = 0;
  const bool has_lines = has_python_lines(stack);
  bool failed = false;
  for (size_t i = stack ? stack->frames_count : 0; i > 0; i--) {
    const char *name = name_of(flame->strings, &stack->frames[i - 1], has_lines, &failed);
    if (!name || name == before) {
      continue;
    }
    before = name;
    if (!find_child(builder, node, name, &node)) {
      return ERROR_MEMORY;
    }
    add(&flame->nodes[node], site->bytes, site->blocks, site->category);
  }
  if (!node) { /* nothing of its stack is known */
    const char *name = strings_intern(flame->strings, "[no stack]");
    if (!name || !find_child(builder, 0, name, &node)) {
      return ERROR_MEMORY;
    }
    add(&flame->nodes[node], site->bytes, site->blocks, site->category);
  }
  add(&flame->nodes[0], site->bytes, site->blocks, site->category);
  return failed ? ERROR_MEMORY : 0;
}

static int add_rest(struct flame *flame, const char *name, uint64_t bytes, enum category category) {
  if (bytes) {
    struct flame_node *node = new_node(flame, 0, name);
    if (!node) {
      return ERROR_MEMORY;
    }
    add(node, bytes, 0, category);
    add(&flame->nodes[0], bytes, 0, category);
  }
  return 0;
}

/* ---- the order of children --------------------------------------------------------------------------------------- */

static int by_parent(const void *a, const void *b, void *context) {
  const struct flame_node *nodes = context;
  const uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;
  const struct flame_node *x = &nodes[first], *y = &nodes[second];
  if (x->parent != y->parent) {
    return x->parent < y->parent ? -1 : 1;
  }
  return x->bytes != y->bytes ? (x->bytes < y->bytes ? 1 : -1) : first < second ? -1 : first > second;
}

static int sort_children(struct flame *flame) {
  const size_t count = flame->count - 1; /* all but the root */
  flame->order = calloc(count + 1, sizeof *flame->order);
  if (!flame->order) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < count; i++) {
    flame->order[i] = (uint32_t)i + 1;
  }
  qsort_r(flame->order, count, sizeof *flame->order, by_parent, flame->nodes);
  for (size_t i = count; i > 0; i--) {
    struct flame_node *parent = &flame->nodes[flame->nodes[flame->order[i - 1]].parent];
    parent->first_child = (uint32_t)i - 1;
    parent->children++;
  }
  return 0;
}

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

static int build(struct builder *builder, const struct facts *facts) {
  struct flame *flame = builder->flame;
  const struct frames_rest rest = frames_rest(facts);
  int code = flame->strings && new_node(flame, 0, "all bytes at the peak") ? 0 : ERROR_MEMORY;
  for (size_t i = 0; code == 0 && i < facts->sites_count; i++) {
    code = facts->sites[i].bytes ? add_site(builder, facts, &facts->sites[i]) : 0;
  }
  code = code == 0 ? add_rest(flame, "[small blocks]", rest.small, CATEGORY_SMALL) : code;
  code = code == 0 ? add_rest(flame, "[sites not listed]", rest.other, CATEGORY_OTHER) : code;
  return code == 0 ? sort_children(flame) : code;
}

int flame_init(struct flame *flame, const struct facts *facts) {
  struct builder builder = {.flame = flame};
  *flame = (struct flame){.strings = strings_open()};
  const int code = build(&builder, facts);
  map64_fini(&builder.names);
  map64_fini(&builder.children);
  return code;
}

void flame_fini(struct flame *flame) {
  free(flame->nodes);
  free(flame->order);
  strings_close(flame->strings);
  *flame = (struct flame){0};
}

enum category flame_category(const struct flame_node *node) {
  enum category most = CATEGORY_OTHER;
  for (int i = 0; i < CATEGORY_COUNT; i++) {
    most = node->categories[i] > node->categories[most] ? (enum category)i : most;
  }
  return most;
}
