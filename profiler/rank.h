/* Which process of a distributed job this is, by the environment that its launcher made. */
#ifndef ACTSCOPE_PROFILER_RANK_H
#define ACTSCOPE_PROFILER_RANK_H

#include <stdint.h>

struct rank {
  int32_t rank;        /* -1: of no job */
  uint32_t world_size; /* how many ranks there are; 0 = unknown */
};

/* RANK and WORLD_SIZE (torchrun), or Open MPI's, PMI's (MPICH, Intel MPI), Slurm's, whichever comes first. Never
 * allocates. */
struct rank rank_find(void);

#endif
