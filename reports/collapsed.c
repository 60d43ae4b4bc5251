/* Allocation stacks in the collapsed form. */
#include "reports/collapsed.h"

#include "reports/frames.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* A frame's name with nothing that means something in this format: semicolons part frames, line ends part stacks. */
static void write_frame(struct sink *sink, const struct facts_frame *frame) {
  char *name = frames_place(frame);
  if (!name) {
    sink_fail(sink, ENOMEM);
    return;
  }
  for (char *c = name; *c; c++) {
    *c = *c == ';' ? ':' : *c;
  }
  sink_print(sink, "%s", name);
  free(name);
}

static void write_site(struct sink *sink, const struct facts *facts, const struct facts_site *site) {
  const struct facts_stack *stack = frames_find(facts, site->stack);
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
  const struct frames_rest rest = frames_rest(facts);
  for (size_t i = 0; i < facts->sites_count; i++) {
    if (facts->sites[i].bytes) {
      write_site(sink, facts, &facts->sites[i]);
    }
  }
  write_rest(sink, "[small blocks]", rest.small);
  write_rest(sink, "[sites not listed]", rest.other);
}
