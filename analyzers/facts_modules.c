/* A module is mapped in several places and times; frames know its base name, which is kept once. */
#include "analyzers/facts_modules.h"

#include "analyzers/strings.h"
#include "common/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static int by_pointer(const void *a, const void *b) {
  const char *x = *(const char *const *)a, *y = *(const char *const *)b;
  return (x > y) - (x < y);
}

static size_t frames_of(const struct facts *facts) {
  size_t count = 0;
  for (size_t i = 0; i < facts->stacks_count; i++) {
    count += facts->stacks[i].frames_count;
  }
  return count;
}

/* The different names of modules in frames, sorted by address: they are interned. NULL: no memory. */
static const char **frame_modules(const struct facts *facts, size_t *count) {
  const char **names = malloc((frames_of(facts) + 1) * sizeof *names), *last = NULL;
  size_t kept = 0;
  *count = 0;
  if (!names) {
    return NULL;
  }
  for (size_t i = 0; i < facts->stacks_count; i++) {
    for (size_t j = 0; j < facts->stacks[i].frames_count; j++) {
      const char *name = facts->stacks[i].frames[j].module;
      if (name != last) { /* neighbours are mostly of one module */
        names[(*count)++] = name;
        last = name;
      }
    }
  }
  qsort(names, *count, sizeof *names, by_pointer);
  for (size_t i = 0; i < *count; i++) {
    if (i == 0 || names[i] != names[kept - 1]) {
      names[kept++] = names[i];
    }
  }
  *count = kept;
  return names;
}

static char *hexadecimal(struct strings *strings, const uint8_t *bytes, size_t size) {
  char text[129] = "";
  for (size_t i = 0; bytes && i < size && 2 * i + 2 < sizeof text; i++) {
    snprintf(text + 2 * i, 3, "%02x", bytes[i]);
  }
  return strings_intern(strings, text);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const struct facts_module *)a)->name, ((const struct facts_module *)b)->name);
}

static bool is_listed(const struct facts *facts, const char *name) {
  for (size_t i = 0; i < facts->modules_count; i++) {
    if (facts->modules[i].name == name) {
      return true;
    }
  }
  return false;
}

static int add(struct facts *facts, char *name, const struct trace_module *module, const struct symbols *symbols) {
  struct facts_module *added = &facts->modules[facts->modules_count++];
  added->name = name;
  added->path = strings_intern(facts->strings, module->path);
  added->build_id = hexadecimal(facts->strings, module->build_id, module->build_id_size);
  added->problem = strings_intern(facts->strings, symbols_problem(symbols, module));
  return added->path && added->build_id && added->problem ? 0 : ERROR_MEMORY;
}

int facts_list_modules(struct facts *facts, const struct trace_module *modules, size_t count,
                       const struct symbols *symbols) {
  size_t wanted_count;
  const char **wanted = frame_modules(facts, &wanted_count);
  int rc = 0;
  facts->modules = calloc(wanted_count + 1, sizeof *facts->modules);
  rc = wanted && facts->modules ? 0 : ERROR_MEMORY;
  for (size_t i = 0; i < count && rc == 0; i++) {
    char *name = strings_intern(facts->strings, base_name(modules[i].path));
    if (!name) {
      rc = ERROR_MEMORY;
    } else if (*name && bsearch(&name, wanted, wanted_count, sizeof *wanted, by_pointer) && !is_listed(facts, name)) {
      rc = add(facts, name, &modules[i], symbols);
    }
  }
  if (rc == 0 && facts->modules_count) {
    qsort(facts->modules, facts->modules_count, sizeof *facts->modules, by_name);
  }
  free(wanted);
  return rc;
}

const struct facts_module *facts_find_module(const struct facts *facts, const char *name) {
  struct facts_module key = {.name = (char *)name};
  return facts->modules_count ? bsearch(&key, facts->modules, facts->modules_count, sizeof *facts->modules, by_name)
                              : NULL;
}
