/* What a run's file holds and whether it is whole: the command `info`. */
#ifndef ACTSCOPE_REPORTS_INFO_H
#define ACTSCOPE_REPORTS_INFO_H

#include "common/error.h"
#include "reports/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum info_kind { INFO_TRACE, INFO_STORE };

struct info {
  enum info_kind kind;
  char *path, *command, *framework;
  char *
      python; /* whose lines are in the stacks: "CPython 3.11.2"; "none: ...", why not; "" = not asked for, or a store */
  char *damage;                          /* what is missing or damaged, "" = nothing */
  unsigned version_major, version_minor; /* of the trace format; 0.0 for a store */
  int pid, ppid, rank, exit_status;      /* -1 = unknown or none */
  int world_size;                        /* ranks of the distributed job, 0 = unknown */
  char *host;                            /* the machine's name, "" = unknown */
  bool complete;                         /* the process was seen to end and nothing is missing */
  bool damaged;                          /* a place in the file could not be read: what lies behind is not counted */
  bool finished;                         /* the launcher has packed it */
  uint64_t start_unix_ns, wall_ns, min_size, stack_depth;
  uint64_t events, allocations, frees, saves, releases, threads, streams, stacks, modules, lost_events;
  uint64_t file_bytes;
};

/* Reads a trace once through (or a store). A damaged place within a trace is no error: see info.damaged. The caller ends
 * it with info_fini. */
int info_read(struct info *info, const char *path, struct error *err);
void info_fini(struct info *info); /* zeroed is fine */

void info_text_emit(struct sink *sink, const struct info *info);
void info_json_emit(struct sink *sink, const struct info *info); /* schema "actscope.info/1" */
/* Of several: schema "actscope.infos/1", with the object of each in the array "runs". */
void infos_json_emit(struct sink *sink, const struct info *infos, size_t count);

#endif
