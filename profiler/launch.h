/* Runs a command with the preload library in it and finishes the traces that it leaves; with the PyTorch drop-in put in; or
 * both. */
#ifndef ACTSCOPE_PROFILER_LAUNCH_H
#define ACTSCOPE_PROFILER_LAUNCH_H

#include "common/error.h"
#include "profiler/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct launch_apply {
  unsigned bits;
  const char *functions, *method, *weight; /* NULL: the drop-in's own choice */
  const char *report; /* an empty folder: each Python process leaves a JSON file in it, see startup/actscope_apply.py */
};

struct launch_options {
  const char *output; /* RUN: where the main trace is to be; NULL: nothing is recorded, only the drop-in put in */
  bool by_rank; /* output may hold patterns and be given to every launcher of a distributed job (launch_name.h), and
                         the traces of ranks are named RUN.rank<N>, with a link RUN to the first */
  char *const *argv; /* the command, NULL at the end */
  uint64_t min_size; /* bytes */
  uint32_t stack_depth;
  bool follow;
  bool compress;
  enum config_probe probe;
  bool layers;                      /* names of layers; needs a probe */
  bool python_stacks;               /* stacks have the lines of Python in them */
  const struct launch_apply *apply; /* NULL: no drop-in */
  /* Called while traces are packed, done from 0 to total bytes; may be NULL. */
  void (*progress)(void *context, double share);
  void *context;
};

struct launch_trace {
  char *path;
  int pid, rank; /* the rank whose work it does; -1: none, or it only takes part in it */
  bool running;  /* its process has not ended: left as it is, and readable */
};

struct launch_result {
  int status;                  /* the command's own, as a shell gives it: 128+n after signal n */
  char *run;                   /* RUN without patterns, absolute; NULL: the command was not run to be recorded */
  struct launch_trace *traces; /* the main ones, by rank, and then the others; none if nothing could be recorded */
  size_t count;
  int missing;        /* the command's own process, of which there is no trace though it was recorded: 0, or its pid */
  char **interrupted; /* paths of traces that earlier recordings to the same output could not finish; NULL at the end */
};

/* 0 when the command ran, whatever became of it (result->status); negative when it could not be run or recorded at all,
 * with nothing left behind, or, with traces in result, when it ran and not all of them could be finished. The caller ends result with launch_result_fini. */
int launch_run(const struct launch_options *options, struct launch_result *result, struct error *err);
void launch_result_fini(struct launch_result *result);

/* The preload library; ERROR_IO, and what to do, if it is not there or the loader cannot take it. path is the caller's to
 * free. */
int launch_find_library(char **path, struct error *err);
/* The folder that holds the Python package `actscope`, for PYTHONPATH; path is the caller's to free. */
int launch_find_package(char **path, struct error *err);

/* A folder for what Python processes leave (launch_apply.report, verify's result), in TMPDIR or /tmp, and its end; path is
 * the caller's to free. */
int launch_report_make(char **path, struct error *err);
void launch_report_remove(const char *path);

/* How many traces of other processes there are beside RUN, by their names. */
size_t launch_count_others(const char *run);

/* Parts of it, for tests. */

/* The program that a word names, as execvp would find it; NULL if there is none. The caller frees it. */
char *launch_find_program(const char *word);
/* The same, with the reason if there is none. */
int launch_find_command(const char *command, char **path, struct error *err);

/* Finds the command as execvp would and checks that a preload library can be put into it (dynamic, right machine, not
 * setuid, scripts by their interpreter); *path is the caller's to free. */
int launch_check_command(const char *command, char **path, struct error *err);

/* Looks for the traces that a recording left under this name, finishes them, and gives the main ones their names. Those in
 * result->interrupted are not touched; earlier images of a process that has gone on by exec are removed. */
struct launch_name;
int launch_finish_traces(const struct launch_options *options, const struct launch_name *name, int root_pid,
                         struct launch_result *result, struct error *err);

#endif
