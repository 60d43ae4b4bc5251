/* Stacks of facts, as the exports need them: found by id, frames named, and what of the peak has none. */
#ifndef ACTSCOPE_REPORTS_FRAMES_H
#define ACTSCOPE_REPORTS_FRAMES_H

#include "analyzers/facts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL: facts have no such stack. */
const struct facts_stack *frames_find(const struct facts *facts, uint32_t stack);

/* Has the frame no name but an address? That differs from run to run and would part like stacks: its module stands for
 * it, as in perf. */
bool frames_is_nameless(const struct facts_frame *frame);
/* "at::native::gelu", or "[libfoo.so]" for one without a name: a copy in valid UTF-8 without control characters, to be
 * freed; NULL when out of memory. */
char *frames_name(const struct facts_frame *frame);

/* "train.py:88 forward", where the frame is a line of Python (or of what else names itself): without its line it would be one
 * of many. The same otherwise. */
char *frames_place(const struct facts_frame *frame);

struct frames_rest { /* bytes at the peak that no stack accounts for */
  uint64_t small;    /* of small blocks */
  uint64_t other;    /* of sites beyond those listed */
};
struct frames_rest frames_rest(const struct facts *facts);

#endif
