/* What to call the place of an allocation: the nearest frame of the program itself, else the nearest that says
 * something (at::native::addmm rather than malloc). */
#ifndef ACTSCOPE_ANALYZERS_SITE_H
#define ACTSCOPE_ANALYZERS_SITE_H

#include "analyzers/facts.h"
#include "analyzers/map64.h"
#include "analyzers/strings.h"
#include "analyzers/symbols.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stdint.h>

struct site_frames { /* an array that grows */
  struct facts_frame *items;
  size_t count, capacity;
};

/* Resolves stacks. Where stacks are many, they were all live at the peak: addresses are looked up once for that
 * time. */
struct site_resolver { /* the first four are borrowed; the rest zeroed */
  const struct trace_reader *reader;
  struct symbols *symbols;
  struct strings *strings;
  uint64_t time_ns;                /* the time for which addresses are remembered */
  struct map64 known;              /* address -> place of its first frame in known_frames + 1 */
  struct site_frames known_frames; /* each address's run ends with a frame whose function is NULL */
};

void site_resolver_fini(struct site_resolver *resolver);

/* The frames of a stack, inlined calls expanded, into *out, whose frames array the caller frees. time_ns is when the
 * stack was taken. 0, or ERROR_MEMORY. */
int site_resolve(struct site_resolver *resolver, uint32_t stack, uint64_t time_ns, struct facts_stack *out);

/* Is it a line of Python? */
bool site_is_python(const struct facts_frame *frame);

/* A function of the Python interpreter itself: it says nothing of what it was asked to do. */
bool site_is_interpreter(const struct facts_frame *frame);

/* The index of the frame that site_name goes by; frames_count for a stack without frames. */
size_t site_frame(const struct facts_stack *stack);

/* "util.c:12 xmalloc < train.c:88 forward" (the program's own frame and its caller) or
 * "libtorch_cpu.so at::native::addmm", interned; "" for a stack without frames; NULL: no memory. */
char *site_name(const struct facts_stack *stack, struct strings *strings);

#endif
