/* Allocation stacks in the collapsed form. */
#include "reports/collapsed.h"

#include "reports/format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int compare_stack(const void *key, const void *element) {
  uint32_t id = *(const uint32_t *)key, other = ((const struct facts_stack *)element)->stack;
  return id < other ? -1 : id > other;
}

static const struct facts_stack *find_stack(const struct facts *facts, uint32_t id) {
  if (!facts->stacks_count) {
    return NULL;
  }
  return bsearch(&id, facts->stacks, facts->stacks_count, sizeof *facts->stacks, compare_stack);
}

/* A frame's name with nothing that means something in this format: semicolons part frames, line ends part stacks. */
static void write_name(struct sink *sink, const char *name) {
  char *clean = format_clean(name, true);
  if (!clean) {
    sink_fail(sink, ENOMEM);
    return;
  }
  for (char *c = clean; *c; c++) {
    *c = *c == ';' ? ':' : *c;
  }
  sink_print(sink, "%s", clean);
  free(clean);
}

/* A bare address differs from run to run and would part like stacks: its module stands for it, as in perf. */
static void write_frame(struct sink *sink, const struct facts_frame *frame) {
  const char *function = frame->function ? frame->function : "";
  if (!function[0] || strncmp(function, "0x", 2) == 0) {
    sink_print(sink, "[");
    write_name(sink, frame->module && frame->module[0] ? frame->module : "unknown");
    sink_print(sink, "]");
  } else {
    write_name(sink, function);
  }
}

static void write_site(struct sink *sink, const struct facts *facts, const struct facts_site *site) {
  const struct facts_stack *stack = find_stack(facts, site->stack);
  size_t frames = stack ? stack->frames_count : 0;
  for (size_t i = frames; i > 0; i--) {
    write_frame(sink, &stack->frames[i - 1]);
    sink_print(sink, "%s", i > 1 ? ";" : "");
  }
  if (!frames) {
    sink_print(sink, "[no stack]");
  }
  sink_print(sink, " %" PRIu64 "\n", site->bytes);
}

static void write_rest(struct sink *sink, const char *name, uint64_t bytes) {
  if (bytes) {
    sink_print(sink, "%s %" PRIu64 "\n", name, bytes);
  }
}

void collapsed_emit(struct sink *sink, const struct facts *facts) {
  uint64_t listed = 0, listed_small = 0, small, rest;
  for (size_t i = 0; i < facts->sites_count; i++) {
    const struct facts_site *site = &facts->sites[i];
    if (site->bytes) {
      write_site(sink, facts, site);
    }
    listed += site->bytes;
    listed_small += site->category == CATEGORY_SMALL ? site->bytes : 0;
  }
  rest = facts->peak.bytes > listed ? facts->peak.bytes - listed : 0;
  small = facts->categories[CATEGORY_SMALL] > listed_small ? facts->categories[CATEGORY_SMALL] - listed_small : 0;
  small = small < rest ? small : rest;
  write_rest(sink, "[small blocks]", small);
  write_rest(sink, "[sites not listed]", rest - small);
}
