/* A stack is walked outwards as long as its function is a helper's. */
#include "analyzers/infer_ops.h"

#include "analyzers/site.h"
#include "analyzers/strings.h"
#include "common/error.h"

#include <stdlib.h>
#include <string.h>

enum { HELPERS_MAX = 8, NAME_MAX_BYTES = 160 };

struct path { /* of a stack */
  struct facts_stack frames;
  size_t at; /* the frame that it goes by */
};

static const char *function_at(const struct path *path, size_t index) {
  return index < path->frames.frames_count ? path->frames.frames[index].function : "";
}

static unsigned line_at(const struct path *path, size_t index) {
  return index < path->frames.frames_count ? path->frames.frames[index].line : 0;
}

/* How many paths go by this function, and is it called from two places at least? */
static size_t count_function(const struct path *paths, size_t count, const char *function, bool *two_callers) {
  const struct path *first = NULL;
  size_t times = 0;
  *two_callers = false;
  for (size_t i = 0; i < count; i++) {
    const struct path *path = &paths[i];
    if (strcmp(function_at(path, path->at), function) != 0) {
      continue;
    }
    first = first ? first : path;
    *two_callers |= strcmp(function_at(path, path->at + 1), function_at(first, first->at + 1)) != 0 ||
                    (line_at(path, path->at) == line_at(first, first->at) &&
                     line_at(path, path->at + 1) != line_at(first, first->at + 1));
    times++;
  }
  return times;
}

/* The function that most paths go by, if it only works for others; NULL: there is none. */
static const char *find_helper(const struct path *paths, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const char *function = function_at(&paths[i], paths[i].at);
    bool two_callers = false;
    if (*function && count_function(paths, count, function, &two_callers) * 2 > count) {
      return two_callers ? function : NULL;
    }
  }
  return NULL;
}

static void skip_helpers(struct path *paths, size_t count) {
  for (int round = 0; round < HELPERS_MAX; round++) {
    const char *helper = find_helper(paths, count);
    for (size_t i = 0; helper && i < count; i++) {
      paths[i].at += strcmp(function_at(&paths[i], paths[i].at), helper) == 0;
    }
  }
}

static int resolve(struct infer_ops *ops, struct site_resolver *resolver, const uint32_t *stacks, size_t count,
                   struct path *paths) {
  int rc = 0;
  for (size_t i = 0; i < count && rc == 0; i++) {
    rc = site_resolve(resolver, stacks[i], resolver->time_ns, &paths[i].frames);
    paths[i].at = rc == 0 ? site_frame(&paths[i].frames) : 0;
  }
  if (rc != 0) {
    return rc;
  }
  skip_helpers(paths, count);
  for (size_t i = 0; i < count; i++) {
    char name[NAME_MAX_BYTES];
    const struct path *path = &paths[i];
    const bool says = path->at < path->frames.frames_count && !site_is_interpreter(&path->frames.frames[path->at]);
    symbols_short_name(says ? function_at(path, path->at) : "", name, sizeof name);
    ops->names[stacks[i]] = symbols_intern(ops->symbols, name);
  }
  return 0;
}

int infer_ops_init(struct infer_ops *ops, const struct trace_reader *reader, struct symbols *symbols,
                   const uint32_t *stacks, size_t count) {
  *ops = (struct infer_ops){.reader = reader, .symbols = symbols, .stacks_limit = trace_reader_stack_limit(reader)};
  struct path *paths = calloc(count + 1, sizeof *paths);
  struct strings *strings = strings_open();
  struct site_resolver resolver = {
      .reader = reader, .symbols = symbols, .strings = strings, .time_ns = trace_reader_info(reader)->end_ns};
  ops->names = calloc((size_t)ops->stacks_limit + 1, sizeof *ops->names);
  int rc = paths && strings && ops->names ? 0 : ERROR_MEMORY;
  rc = rc == 0 ? resolve(ops, &resolver, stacks, count, paths) : rc;
  for (size_t i = 0; paths && i < count; i++) {
    free(paths[i].frames.frames);
  }
  site_resolver_fini(&resolver);
  strings_close(strings);
  free(paths);
  return rc;
}

void infer_ops_fini(struct infer_ops *ops) {
  free(ops->names);
  *ops = (struct infer_ops){0};
}

const char *infer_ops_name(const struct infer_ops *ops, uint32_t stack) {
  return ops->names && stack < ops->stacks_limit && ops->names[stack] ? ops->names[stack] : "";
}
