/* What a training program saves for backward where nobody tells: inferred from the order in which it allocates and frees.
 * docs/inference.md says how, and what the confidence means.
 *
 * The result is a list of events as a probe would have written them, to be put among those of the trace when it is read again:
 * whatever follows from saves and backward passes follows from these, too. */
#ifndef ACTSCOPE_ANALYZERS_INFER_H
#define ACTSCOPE_ANALYZERS_INFER_H

#include "analyzers/infer_sequence.h"
#include "analyzers/op_name.h"
#include "analyzers/spill.h"
#include "analyzers/symbols.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Below it nothing is claimed. */
#define INFER_LEAST_CONFIDENCE 0.5

struct infer_source { /* borrowed */
  const struct trace_reader *reader;
  struct symbols *symbols;
  struct op_names *names;
  const struct infer_sequence *sequence;
  uint64_t peak; /* bytes: the highest live bytes of the run */
};

struct infer_result {                    /* zeroed: nothing was inferred */
  const struct infer_sequence *sequence; /* borrowed, to the end of infer_next */
  struct spill inserts;                  /* private */
  size_t next;
  double confidence; /* 0 to 1; 0: nothing was inferred */
};

/* 0, or ERROR_MEMORY; infer_result_fini is due in any case. */
int infer(const struct infer_source *source, struct infer_result *result);
void infer_result_fini(struct infer_result *result);

/* The next event to put in before the event of the trace with this number, or behind it, in *event but for its time and
 * thread, which are those of the event beside it; false: there is none. Numbers ascend from call to call. */
bool infer_next(struct infer_result *result, uint64_t number, bool behind, struct trace_event *event);

#endif
