/* The parts of an analysis under way: fed by analyze.c, turned into facts by assemble.c. Private to this room. */
#ifndef ACTSCOPE_ANALYZERS_ANALYSIS_H
#define ACTSCOPE_ANALYZERS_ANALYSIS_H

#include "analyzers/blocks.h"
#include "analyzers/facts.h"
#include "analyzers/holders.h"
#include "analyzers/infer.h"
#include "analyzers/infer_sequence.h"
#include "analyzers/lasting.h"
#include "analyzers/op_name.h"
#include "analyzers/regions.h"
#include "analyzers/stack_traits.h"
#include "analyzers/steps.h"
#include "analyzers/symbols.h"
#include "analyzers/threads.h"
#include "analyzers/timeline.h"
#include "trace/trace_reader.h"

#include <stdint.h>

struct small_sums {
  uint64_t alloc_bytes, alloc_count, free_bytes, free_count; /* usable bytes */
};

struct analysis {
  struct trace_reader *reader;
  const struct trace_info *info;
  struct symbols *symbols;
  struct op_names *names;
  struct blocks blocks;
  struct regions regions;
  struct timeline timeline;
  struct threads threads;
  struct holders holders;
  struct steps steps;
  struct infer_sequence sequence; /* fed as long as nobody tells what is saved */
  struct infer_result inferred;   /* to be put in where nobody did */
  uint64_t lasting_bytes;         /* facts_peak has them */
  struct small_sums small;        /* of all small blocks */
  struct stack_traits traits;     /* these two from the first that needs them on, when every event has been seen */
  struct lasting lasting;
  uint64_t events;
  uint64_t end_ns; /* of the process, or of the last event if that is later */
};

/* Fills in *facts (zeroed) from an analysis that has seen every event, and takes over its saved history. 0, or
 * ERROR_MEMORY with *facts half made. */
int assemble_facts(struct analysis *analysis, struct facts *facts);

#endif
