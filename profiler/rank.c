/* Reads the environment of a distributed job: see the header. */
#include "profiler/rank.h"

#include <stddef.h>
#include <stdlib.h>

/* -1: not there, or no such number. */
static int32_t read_number(const char *name) {
  const char *text = getenv(name);
  char *end;
  if (!text || *text < '0' || *text > '9') {
    return -1;
  }
  long value = strtol(text, &end, 10);
  return *end || value > INT32_MAX ? -1 : (int32_t)value;
}

/* The innermost launcher's first: torchrun's processes may run below mpirun or srun, one on each node. */
struct rank rank_find(void) {
  static const struct {
    const char *rank, *size;
  } names[] = {
      {"RANK", "WORLD_SIZE"},
      {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
      {"PMI_RANK", "PMI_SIZE"},
      {"SLURM_PROCID", "SLURM_NTASKS"},
  };
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    int32_t rank = read_number(names[i].rank), size = read_number(names[i].size);
    if (rank >= 0) {
      return (struct rank){rank, size > rank ? (uint32_t)size : 0};
    }
  }
  return (struct rank){-1, 0};
}
