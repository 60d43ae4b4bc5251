/* What collapsed stacks, pprof and massif share. */
#include "reports/frames.h"

#include "reports/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_stack(const void *key, const void *element) {
  uint32_t id = *(const uint32_t *)key, other = ((const struct facts_stack *)element)->stack;
  return id < other ? -1 : id > other;
}

const struct facts_stack *frames_find(const struct facts *facts, uint32_t stack) {
  if (!facts->stacks_count) {
    return NULL;
  }
  return bsearch(&stack, facts->stacks, facts->stacks_count, sizeof *facts->stacks, compare_stack);
}

bool frames_is_nameless(const struct facts_frame *frame) {
  return !frame->function || !frame->function[0] || strncmp(frame->function, "0x", 2) == 0;
}

char *frames_name(const struct facts_frame *frame) {
  char *text, *clean;
  if (!frames_is_nameless(frame)) {
    return format_clean(frame->function, true);
  }
  if (asprintf(&text, "[%s]", frame->module && frame->module[0] ? frame->module : "unknown") < 0) {
    return NULL;
  }
  clean = format_clean(text, true);
  free(text);
  return clean;
}

char *frames_place(const struct facts_frame *frame) {
  char *text, *clean;
  if (frames_is_nameless(frame) || (frame->module && *frame->module) || !frame->file || !*frame->file || !frame->line) {
    return frames_name(frame);
  }
  const char *slash = strrchr(frame->file, '/');
  if (asprintf(&text, "%s:%u %s", slash ? slash + 1 : frame->file, frame->line, frame->function) < 0) {
    return NULL;
  }
  clean = format_clean(text, true);
  free(text);
  return clean;
}

struct frames_rest frames_rest(const struct facts *facts) {
  uint64_t listed = 0, listed_small = 0, small, rest;
  for (size_t i = 0; i < facts->sites_count; i++) {
    listed += facts->sites[i].bytes;
    listed_small += facts->sites[i].category == CATEGORY_SMALL ? facts->sites[i].bytes : 0;
  }
  rest = facts->peak.bytes > listed ? facts->peak.bytes - listed : 0;
  small = facts->categories[CATEGORY_SMALL] > listed_small ? facts->categories[CATEGORY_SMALL] - listed_small : 0;
  small = small < rest ? small : rest;
  return (struct frames_rest){small, rest - small};
}
