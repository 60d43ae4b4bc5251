/* What `actscope apply` replaced, read from the files that the program's Python processes left (startup/actscope_apply.py). */
#ifndef ACTSCOPE_REPORTS_APPLY_VIEW_H
#define ACTSCOPE_REPORTS_APPLY_VIEW_H

#include "common/error.h"
#include "reports/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct apply_count {
  char *name; /* a function, or the reason for a fallback */
  uint64_t calls;
};

struct apply_counts { /* by calls, most first */
  struct apply_count *items;
  size_t count;
};

struct apply_totals {
  struct apply_counts replaced, fallbacks;
  uint64_t bytes_exact; /* that torch would have kept for what was replaced, summed over all calls */
  uint64_t bytes_codes; /* that were kept */
};

enum apply_state { APPLY_APPLIED, APPLY_FAILED, APPLY_NO_IMPORT, APPLY_NO_TORCH };

struct apply_process {
  int pid;
  char *python; /* its interpreter's path, "" unknown */
  char *torch;  /* version, "" none */
  char *error;  /* APPLY_FAILED: why; else "" */
  enum apply_state state;
  bool ended; /* told at its end, so that its figures are all of it */
  struct apply_totals totals;
};

struct apply_summary {             /* zeroed: nothing */
  struct apply_process *processes; /* by pid; none: no Python read the start-up file */
  size_t count;
  struct apply_totals totals;
};

/* Reads every file in the folder; one that cannot be read is left out. ERROR_MEMORY, or ERROR_IO if there is no folder. */
int apply_summary_read(struct apply_summary *summary, const char *folder, struct error *err);
void apply_summary_fini(struct apply_summary *summary);

/* How many of the processes are in this state; *first is one of them, if there is any. */
size_t apply_summary_in_state(const struct apply_summary *summary, enum apply_state state,
                              const struct apply_process **first);

/* What was asked for; NULL where the drop-in chose. */
struct apply_settings {
  const char *command;
  int exit_status;
  unsigned bits;
  const char *functions, *method, *weight;
};

/* "actscope.apply/1" */
void apply_json_emit(struct sink *sink, const struct apply_summary *summary, const struct apply_settings *settings);

#endif
