/* The traces that processes write while they are recorded: RUN.<pid>, and RUN.<pid>-<n> after the n-th exec; and those
 * that are named by rank when they are finished. Private to the launcher. */
#ifndef ACTSCOPE_PROFILER_LAUNCH_TRACES_H
#define ACTSCOPE_PROFILER_LAUNCH_TRACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct found {
  char *path;
  int pid, image; /* the image-th program that this process has become by exec */
  int ppid;
  int rank, world_size; /* -1: none; 0: unknown */
  bool main;            /* for who finishes them: does the work, of its rank or of all */
  char *target;         /* and what it is to be called; NULL: as it is */
  bool own;             /* it is actscope itself: `record -- actscope apply ...` */
  uint32_t flags;       /* enum trace_flag */
  off_t size;
};

struct found_list {
  struct found *items;
  size_t count;
};

/* Those beside output, an absolute path, by pid and image; the caller ends the list with found_free. */
struct found_list found_traces(const char *output);
/* The finished ones of ranks: RUN.rank<N>, and RUN.rank<N>.<pid> of their children, for N from first to last. */
struct found_list found_ranks(const char *base, int first, int last);
void found_free(struct found_list *list);

/* Is its process still writing it? A process that records has its trace mapped; one that waits to be reaped, has gone on by
 * exec, or got the number later, has not. */
bool found_is_written(const struct found *item);

/* Waits until none of them is written any more, so many milliseconds at most: what ends together ends one after the
 * other. */
void found_wait(const struct found_list *list, unsigned milliseconds);

#endif
