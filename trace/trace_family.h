/* Which processes of a recording belong together: the ranks of a distributed job, the process that does the work of each,
 * and those that work for it or have started it. */
#ifndef ACTSCOPE_TRACE_FAMILY_H
#define ACTSCOPE_TRACE_FAMILY_H

#include <stddef.h>
#include <stdint.h>

enum trace_family_role {
  TRACE_FAMILY_MAIN,   /* does the work of its rank; without ranks, that of the tree of processes it is in */
  TRACE_FAMILY_BELOW,  /* a main process has started it, itself or through others: a data-loader worker, a compiler */
  TRACE_FAMILY_ABOVE,  /* it has started a main process, itself or through others: torchrun, mpirun, a shell */
  TRACE_FAMILY_BESIDE, /* neither */
};

#define TRACE_FAMILY_NONE SIZE_MAX

struct trace_family_process {
  int pid, ppid;    /* ppid -1: unknown */
  unsigned machine; /* numbers of processes on different machines have nothing to do with each other */
  int rank; /* as recorded, -1: none. Replaced by that of the work that it takes part in: a child inherits its parent's
               where it has none, and what starts other ranks than its own (torchrun below srun) has none */
  uint64_t weight; /* how much it does: see TRACE_FAMILY_WRAPPER */
  /* Found: */
  enum trace_family_role role;
  size_t parent; /* index, TRACE_FAMILY_NONE: not among them */
  size_t main;   /* index of the main process that it is, or is below; or of its rank; TRACE_FAMILY_NONE */
};

/* The topmost process of a rank, or of a tree, does the work, unless another's weight is so many times its own: then it
 * is only a wrapper. */
#define TRACE_FAMILY_WRAPPER 4

void trace_family_find(struct trace_family_process *processes, size_t count);

#endif
