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

struct stack_sum { /* of its sites, one a category */
  uint32_t stack;
  uint64_t bytes;
};

static int by_stack(const void *a, const void *b) {
  const struct stack_sum *x = a, *y = b;
  return (x->stack > y->stack) - (x->stack < y->stack);
}

static int larger_first(const void *a, const void *b) {
  const struct stack_sum *x = a, *y = b;
  return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes) : by_stack(a, b);
}

/* A line says nothing of categories: each stack once. Returns how many. */
static size_t sum_stacks(const struct facts *facts, struct stack_sum *sums) {
  size_t count = 0;
  for (size_t i = 0; i < facts->sites_count; i++) {
    sums[i] = (struct stack_sum){facts->sites[i].stack, facts->sites[i].bytes};
  }
  qsort(sums, facts->sites_count, sizeof *sums, by_stack);
  for (size_t i = 0; i < facts->sites_count; i++) {
    if (count && sums[count - 1].stack == sums[i].stack) {
      sums[count - 1].bytes += sums[i].bytes;
    } else {
      sums[count++] = sums[i];
    }
  }
  qsort(sums, count, sizeof *sums, larger_first);
  return count;
}

static void write_stack(struct sink *sink, const struct facts *facts, const struct stack_sum *sum) {
  const struct facts_stack *stack = frames_find(facts, sum->stack);
  size_t frames = stack ? stack->frames_count : 0;
  for (size_t i = frames; i > 0; i--) {
    write_frame(sink, &stack->frames[i - 1]);
    sink_print(sink, "%s", i > 1 ? ";" : "");
  }
  if (!frames) {
    sink_print(sink, "[no stack]");
  }
  sink_print(sink, " %" PRIu64 "\n", sum->bytes);
}

static void write_rest(struct sink *sink, const char *name, uint64_t bytes) {
  if (bytes) {
    sink_print(sink, "%s %" PRIu64 "\n", name, bytes);
  }
}

void collapsed_emit(struct sink *sink, const struct facts *facts) {
  const struct frames_rest rest = frames_rest(facts);
  struct stack_sum *sums = calloc(facts->sites_count + 1, sizeof *sums);
  if (!sums) {
    sink_fail(sink, ENOMEM);
    return;
  }
  const size_t count = sum_stacks(facts, sums);
  for (size_t i = 0; i < count && sums[i].bytes; i++) {
    write_stack(sink, facts, &sums[i]);
  }
  free(sums);
  write_rest(sink, "[small blocks]", rest.small);
  write_rest(sink, "[sites not listed]", rest.other);
}
