/* Sums a machine, and spreads over the main processes: see the header. */
#include "analyzers/ranks_sums.h"

#include "analyzers/levels.h"

#include <stdlib.h>

/* ---- machines ----------------------------------------------------------------------------------------------------- */

struct share { /* of one node in the whole progress */
  void (*progress)(void *context, double share);
  void *context;
  size_t node, nodes;
};

static void pass_progress(void *context, double share) {
  const struct share *of = context;
  of->progress(of->context, ((double)of->node + share) / (double)of->nodes);
}

static void count_process(struct ranks *ranks, const struct ranks_process *process) {
  struct ranks_node *node = &ranks->nodes[process->node];
  node->counts[process->role]++;
  node->sum_of_peaks += process->peak.bytes;
  node->at_peak[process->role] += process->at_node_peak;
}

static size_t collect(const struct ranks *ranks, size_t node, struct levels_run *runs) {
  size_t count = 0;
  for (size_t i = 0; i < ranks->processes_count; i++) {
    const struct ranks_process *process = &ranks->processes[i];
    if (process->node == node) {
      runs[count++] = (struct levels_run){.trace = process->is_store ? NULL : process->path,
                                          .samples = process->samples,
                                          .samples_count = process->samples_count,
                                          .start_unix_ns = process->start_unix_ns,
                                          .wall_ns = process->wall_ns};
    }
  }
  return count;
}

static int sum_node(struct ranks *ranks, size_t index, struct levels_run *runs, struct share *share,
                    struct error *err) {
  struct ranks_node *node = &ranks->nodes[index];
  struct levels_sum sum;
  size_t count = collect(ranks, index, runs), next = 0;
  share->node = index;
  int code = levels_sum(runs, count, &sum, share->progress ? pass_progress : NULL, share, err);
  if (code) {
    return code;
  }
  node->peak_bytes = sum.peak_bytes;
  node->time_ns = sum.time_unix_ns > ranks->begin_unix_ns ? sum.time_unix_ns - ranks->begin_unix_ns : 0;
  node->exact = sum.exact;
  for (size_t i = 0; i < ranks->processes_count; i++) {
    if (ranks->processes[i].node == index) {
      ranks->processes[i].at_node_peak = runs[next++].at_peak;
      count_process(ranks, &ranks->processes[i]);
    }
  }
  return 0;
}

static int sum_nodes(struct ranks *ranks, void (*progress)(void *context, double share), void *context,
                     struct error *err) {
  struct levels_run *runs = calloc(ranks->processes_count + 1, sizeof *runs);
  struct share share = {progress, context, 0, ranks->nodes_count};
  if (!runs) {
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  int code = 0;
  for (size_t i = 0; code == 0 && i < ranks->nodes_count; i++) {
    code = sum_node(ranks, i, runs, &share, err);
  }
  free(runs);
  return code;
}

/* ---- time --------------------------------------------------------------------------------------------------------- */

static void find_times(struct ranks *ranks) {
  uint64_t latest_begin = 0, earliest_end = UINT64_MAX;
  for (size_t i = 0; i < ranks->processes_count; i++) {
    const struct ranks_process *process = &ranks->processes[i];
    uint64_t begin = process->start_unix_ns, end = begin + process->wall_ns;
    ranks->begin_unix_ns = i == 0 || begin < ranks->begin_unix_ns ? begin : ranks->begin_unix_ns;
    ranks->end_unix_ns = end > ranks->end_unix_ns ? end : ranks->end_unix_ns;
    if (process->role == RANKS_MAIN) {
      latest_begin = begin > latest_begin ? begin : latest_begin;
      earliest_end = end < earliest_end ? end : earliest_end;
    }
  }
  ranks->apart = latest_begin > earliest_end;
}

/* ---- spreads ------------------------------------------------------------------------------------------------------ */

struct value {
  uint64_t bytes;
  size_t process;
};

static int compare(const void *a, const void *b) {
  const struct value *left = a, *right = b;
  return left->bytes != right->bytes ? (left->bytes > right->bytes ? 1 : -1)
                                     : (left->process > right->process) - (left->process < right->process);
}

/* Of an even number the lower one of the middle two: a figure that some rank has. */
static struct ranks_spread spread_of(struct value *values, size_t count) {
  if (!count) {
    return (struct ranks_spread){.at_lowest = RANKS_NONE, .at_highest = RANKS_NONE};
  }
  qsort(values, count, sizeof *values, compare);
  struct ranks_spread spread = {.lowest = values[0].bytes,
                                .median = values[(count - 1) / 2].bytes,
                                .highest = values[count - 1].bytes,
                                .at_lowest = values[0].process,
                                .at_highest = values[count - 1].process};
  for (size_t i = 0; i < count; i++) {
    spread.mean += (double)values[i].bytes / (double)count;
    if (values[i].bytes == spread.highest && spread.at_highest > values[i].process) {
      spread.at_highest = values[i].process; /* of equals the first */
    }
  }
  spread.imbalance = spread.mean > 0 ? (double)spread.highest / spread.mean - 1 : 0;
  return spread;
}

static const struct facts_projection *projection_of(const struct ranks_process *process, unsigned bits) {
  for (size_t i = 0; i < process->projections_count; i++) {
    if (process->projections[i].bits == bits) {
      return &process->projections[i];
    }
  }
  return NULL;
}

enum figure { FIGURE_PEAK, FIGURE_SAVED, FIGURE_FEW_BIT };

/* A main process that saves nothing has no few-bit peak but its own. */
static struct ranks_spread spread(const struct ranks *ranks, enum figure figure, unsigned bits, struct value *values) {
  size_t count = 0;
  for (size_t i = 0; i < ranks->processes_count; i++) {
    const struct ranks_process *process = &ranks->processes[i];
    const struct facts_projection *few = projection_of(process, bits);
    const uint64_t figures[] = {process->peak.bytes, process->saved_bytes, few ? few->peak_bytes : process->peak.bytes};
    if (process->role == RANKS_MAIN) {
      values[count++] = (struct value){figures[figure], i};
    }
  }
  return spread_of(values, count);
}

/* 3 bits, where the paper finds nothing lost, or the nearest below. */
static unsigned choose_bits(const struct ranks *ranks) {
  unsigned best = 0;
  for (size_t i = 0; i < ranks->projections_count; i++) {
    unsigned bits = ranks->projections[i].bits;
    best = bits <= 3 || !best ? bits : best;
  }
  return best;
}

static void project(struct ranks *ranks, struct value *values) {
  for (unsigned bits = 1; bits <= RANKS_BITS; bits++) {
    bool any = false;
    for (size_t i = 0; i < ranks->processes_count; i++) {
      any = any || (ranks->processes[i].role == RANKS_MAIN && projection_of(&ranks->processes[i], bits));
    }
    if (any) {
      struct ranks_spread few = spread(ranks, FIGURE_FEW_BIT, bits, values);
      ranks->projections[ranks->projections_count++] = (struct ranks_projection){bits, few.highest, few.at_highest};
    }
  }
  ranks->few_bit_bits = choose_bits(ranks);
}

int ranks_sums(struct ranks *ranks, void (*progress)(void *context, double share), void *context, struct error *err) {
  struct value *values = calloc(ranks->processes_count + 1, sizeof *values);
  if (!values) {
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  find_times(ranks);
  project(ranks, values);
  ranks->peak = spread(ranks, FIGURE_PEAK, 0, values);
  ranks->saved = spread(ranks, FIGURE_SAVED, 0, values);
  ranks->few_bit = spread(ranks, FIGURE_FEW_BIT, ranks->few_bit_bits, values);
  free(values);
  return sum_nodes(ranks, progress, context, err);
}
