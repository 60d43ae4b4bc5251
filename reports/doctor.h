/* What is present on a machine, and what each absence costs: facts in, checks out, and their views.
 *
 * Who fills the facts in is cli/doctor_*.c; nothing here looks at the machine, so that any machine can be tested. */
#ifndef ACTSCOPE_REPORTS_DOCTOR_H
#define ACTSCOPE_REPORTS_DOCTOR_H

#include "reports/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DOCTOR_PYTHONS = 4, DOCTOR_NAME = 64, DOCTOR_PATH = 512 };

/* A Python interpreter, as it answered. */
struct doctor_python {
  char path[DOCTOR_PATH];
  char from[DOCTOR_NAME];    /* "python3": the first on PATH; "also on PATH"; "VIRTUAL_ENV" */
  char version[DOCTOR_NAME]; /* "3.11.2"; "": it did not answer */
  char torch[DOCTOR_NAME];   /* "2.13.0+cpu"; "": it has none */
  char fewbit[DOCTOR_PATH];  /* the libfewbit that the drop-in loads in it; "": none */
  char why[DOCTOR_PATH];     /* why it did not answer, or the drop-in found no libfewbit */
};

/* Numbers that are not known are DOCTOR_UNKNOWN, limits that are not set DOCTOR_UNLIMITED; texts that are not known "". */
#define DOCTOR_UNLIMITED UINT64_MAX
#define DOCTOR_UNKNOWN (UINT64_MAX - 1)

#define DOCTOR_NO_PERF 99

struct doctor_machine {
  /* the system */
  char kernel[DOCTOR_NAME], architecture[DOCTOR_NAME], libc[DOCTOR_NAME]; /* "6.1.0-18-amd64", "x86_64", "2.36" */
  uint64_t cpus;                                                          /* that this process may use */
  uint64_t cpu_share;                              /* of one CPU, in percent, that a control group allows */
  uint64_t memory, memory_limit;                   /* bytes there are, and that a control group allows */
  uint64_t address_limit, file_limit, files_limit; /* ulimit -v, -f (bytes), -n */
  int perf_paranoid;                               /* kernel.perf_event_paranoid; DOCTOR_NO_PERF: no such setting */
  bool privileged;                                 /* whom it does not bind */
  char temporary[DOCTOR_PATH];
  uint64_t temporary_free; /* bytes */
  bool temporary_writable;
  char temporary_why[DOCTOR_PATH]; /* why it is not the folder that TMPDIR names; "": it is, or none is named */

  /* recording */
  char preload[DOCTOR_PATH];     /* the library's path */
  char preload_why[DOCTOR_PATH]; /* why it was not found, or recorded nothing; "": it did */
  uint64_t trial_events;         /* of the recording that was made to try it */
  char zstd[DOCTOR_NAME], sqlite[DOCTOR_NAME], libdw[DOCTOR_NAME]; /* versions */
  bool debug_files; /* /usr/lib/debug is there, or a debuginfod server named */

  /* computing */
  char isa[DOCTOR_NAME], isa_best[DOCTOR_NAME], isa_why[DOCTOR_PATH]; /* why: the one asked for cannot be had */
  bool isa_forced;
  uint64_t threads;         /* OpenMP's; DOCTOR_UNKNOWN: built without */
  char openmp[DOCTOR_PATH]; /* variables that are set for it: "OMP_NUM_THREADS=2" */
  char blas[DOCTOR_PATH];

  /* other programs */
  char gnuplot[DOCTOR_NAME];                           /* "gnuplot 5.4 patchlevel 4" */
  bool gnuplot_png;                                    /* it has pngcairo */
  char package[DOCTOR_PATH], package_why[DOCTOR_PATH]; /* the folder of the Python package */
  struct doctor_python pythons[DOCTOR_PYTHONS];
  size_t pythons_count;
  bool man;

  /* the terminal */
  bool terminal, color, utf8;
  uint64_t columns;
};

/* ok; note: as it is it works, but something is worth knowing; absent: something that is not needed is not there; failed:
 * something that is needed is missing or broken. */
enum doctor_state { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_ABSENT, DOCTOR_FAILED };

struct doctor_check {
  const char *group, *name; /* "recording", "preload library" */
  enum doctor_state state;
  char *found;  /* what there is */
  char *effect; /* what a state that is not ok costs, and what to do; NULL: nothing */
};

struct doctor {
  struct doctor_check *checks; /* group by group */
  size_t count, capacity;
  bool failed;    /* one of them did */
  bool no_memory; /* and not all are there */
};

void doctor_judge(struct doctor *doctor, const struct doctor_machine *machine);
void doctor_fini(struct doctor *doctor);

const char *doctor_state_name(enum doctor_state state); /* "ok", "note", "absent", "failed" */
void doctor_text_emit(struct sink *sink, const struct doctor *doctor);
void doctor_json_emit(struct sink *sink, const struct doctor *doctor, const struct doctor_machine *machine,
                      const char *version);

#endif
