/* Several processes seen together: the ranks of a distributed job, what works for them and what started them, machine by
 * machine. Made from the facts of each, one after the other, of which little is kept. */
#ifndef ACTSCOPE_ANALYZERS_RANKS_H
#define ACTSCOPE_ANALYZERS_RANKS_H

#include "analyzers/facts.h"
#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ranks_role {
  RANKS_MAIN,     /* does the work of a rank; without ranks, of a program */
  RANKS_WORKER,   /* works for it, in the same program: a data-loader worker, forked or spawned */
  RANKS_HELPER,   /* another program that it has started */
  RANKS_LAUNCHER, /* has started main processes: torchrun, mpirun, a shell */
  RANKS_OTHER,
  RANKS_ROLES
};
extern const char *const ranks_role_names[RANKS_ROLES]; /* "main", ..., as in the JSON */

#define RANKS_NONE SIZE_MAX
enum { RANKS_BITS = 8 };

struct ranks_process {
  const char *path, *command, *host, *damage, *framework; /* of strings */
  int pid, ppid, exit_status;
  int rank; /* that it is, or works for; -1: none */
  bool complete;
  enum ranks_role role;
  size_t main; /* index of the process it works for, or of its rank's; RANKS_NONE: none */
  size_t node; /* index */
  uint64_t start_unix_ns, wall_ns, events;
  struct facts_peak peak;
  uint64_t categories[CATEGORY_COUNT]; /* at its own peak */
  int saved_step;                      /* -1: none */
  uint64_t saved_bytes, steps;
  struct facts_projection projections[RANKS_BITS];
  size_t projections_count;
  uint64_t at_node_peak; /* its bytes when those of its machine's processes were most */
  bool is_store;         /* its bytes over time are known from samples only */
  struct facts_sample *samples;
  size_t samples_count;
};

/* Of a figure over the main processes. */
struct ranks_spread {
  uint64_t lowest, median, highest;
  double mean, imbalance;       /* highest / mean - 1: what is idle where every rank gets what the largest needs */
  size_t at_lowest, at_highest; /* indices of processes */
};

struct ranks_node {
  const char *host; /* "": unknown */
  size_t counts[RANKS_ROLES];
  uint64_t peak_bytes; /* the most that its processes had together ... */
  uint64_t time_ns;    /* ... and when, since the first process began */
  bool exact;          /* false: so much at most, see levels.h */
  uint64_t at_peak[RANKS_ROLES];
  uint64_t sum_of_peaks;
};

/* The peak that decides, had few-bit codes been in place of eligible blocks: the highest of all main processes. */
struct ranks_projection {
  unsigned bits;
  uint64_t highest_peak_bytes;
  size_t at_highest;
};

struct ranks_failure { /* a file that could not be read */
  const char *path, *reason;
};

struct ranks {
  struct strings *strings;
  struct ranks_process *processes; /* by rank, machine and pid */
  size_t processes_count;
  struct ranks_node *nodes; /* by name */
  size_t nodes_count;
  struct ranks_failure *failures;
  size_t failures_count;
  const char **repeated; /* files of processes that are there already */
  size_t repeated_count;

  size_t mains;     /* main processes */
  bool distributed; /* they have ranks */
  int world_size;   /* 0: unknown */
  size_t missing;   /* ranks of which there is no main process; 0 where world_size is unknown */
  bool apart;       /* one main process had ended before another began: of several recordings? */
  uint64_t begin_unix_ns, end_unix_ns;
  struct ranks_spread peak, saved, few_bit; /* few_bit: at few_bit_bits, over those that have a projection */
  unsigned few_bit_bits;                    /* 0: none has */
  struct ranks_projection projections[RANKS_BITS];
  size_t projections_count;
};

int ranks_init(struct ranks *ranks); /* 0, or ERROR_MEMORY; ranks_fini whatever the result */
void ranks_fini(struct ranks *ranks);

/* Adds a process, from the file at path, whose facts may go afterwards. 0, or ERROR_MEMORY. */
int ranks_add(struct ranks *ranks, const char *path, bool is_store, const struct facts *facts);
int ranks_add_failure(struct ranks *ranks, const char *path, const char *reason);

/* After the last one: who is who, sums and spreads. Traces are read once more (levels.h); progress may be NULL. 0, or a
 * negative code. */
int ranks_finish(struct ranks *ranks, void (*progress)(void *context, double share), void *context, struct error *err);

/* Is there a main process of that rank? */
bool ranks_has(const struct ranks *ranks, int rank);

#endif
