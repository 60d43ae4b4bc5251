/* PyTorch's memory snapshot as a trace: what torch.cuda.memory._dump_snapshot writes, and its like of other devices.
 *
 * A snapshot is a pickle of plain data: the blocks that are there (segments), and what the caching allocator has done before
 * (device_traces: a ring buffer, so its beginning may be lost). It is read as data; nothing in it is executed. */
#ifndef ACTSCOPE_IMPORTERS_SNAPSHOT_H
#define ACTSCOPE_IMPORTERS_SNAPSHOT_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SNAPSHOT_DEVICE_ANY = -1 };

struct snapshot_options {
  int device;                 /* its number; SNAPSHOT_DEVICE_ANY: the one with most in it */
  const char *const *command; /* with which it is imported: what the trace gives as the run's command */
  size_t command_count;
  /* what: of three stages, "reading the snapshot" the first; NULL: not told */
  void (*progress)(void *context, const char *what, double share);
  void *context;
};

/* What a user should know of it. */
struct snapshot_summary {
  unsigned device, others;         /* the one imported; how many more have anything in the snapshot */
  uint64_t events;                 /* of the allocator's history, but for the damaged ones */
  uint64_t damaged;                /* events, blocks and segments that cannot be, and were left out */
  uint64_t earlier, earlier_bytes; /* blocks that were there before the history begins */
  bool timed;                      /* the events have times */
  bool has_stacks;
  uint64_t failures;                 /* allocations that failed for want of memory; of the last one: */
  uint64_t failed_bytes, free_bytes; /* asked for; free on the device then */
};

/* Writes the trace `target`, replacing it (trace_check_target is the caller's). ERROR_INPUT: source is no such snapshot; ERROR_USAGE: it has no such device. */
int snapshot_import(const char *source, const char *target, const struct snapshot_options *options,
                    struct snapshot_summary *summary, struct error *err);

#endif
