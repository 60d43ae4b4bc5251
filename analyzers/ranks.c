/* Collects the processes and says who is who: see the header. What they come to is in ranks_sums.c. */
#include "analyzers/ranks.h"

#include "analyzers/ranks_sums.h"
#include "analyzers/strings.h"
#include "trace/trace_family.h"

#include <stdlib.h>
#include <string.h>

const char *const ranks_role_names[RANKS_ROLES] = {"main", "worker", "helper", "launcher", "other"};

int ranks_init(struct ranks *ranks) {
  *ranks = (struct ranks){.strings = strings_open()};
  return ranks->strings ? 0 : ERROR_MEMORY;
}

void ranks_fini(struct ranks *ranks) {
  for (size_t i = 0; i < ranks->processes_count; i++) {
    free(ranks->processes[i].samples);
  }
  free(ranks->processes);
  free(ranks->nodes);
  free(ranks->failures);
  free(ranks->repeated);
  strings_close(ranks->strings);
  *ranks = (struct ranks){0};
}

/* ---- adding ------------------------------------------------------------------------------------------------------- */

/* Room for one more, zeroed; NULL: no memory. Lists grow by doubling, at powers of two. */
static void *grow(void *list, size_t *count, size_t size) {
  void **items = list;
  if ((*count & (*count - 1)) == 0) {
    void *grown = reallocarray(*items, *count ? 2 * *count : 1, size);
    if (!grown) {
      return NULL;
    }
    *items = grown;
  }
  return memset((char *)*items + size * (*count)++, 0, size);
}

static struct ranks_process *find_same(const struct ranks *ranks, const struct facts_run *run) {
  for (size_t i = 0; i < ranks->processes_count; i++) {
    struct ranks_process *process = &ranks->processes[i];
    if (process->pid == run->pid && process->start_unix_ns == run->start_unix_ns &&
        strcmp(process->host, run->host) == 0) {
      return process;
    }
  }
  return NULL;
}

/* A trace tells more than a store that was made from it. */
static int add_again(struct ranks *ranks, struct ranks_process *process, const char *path, bool is_store) {
  const char **repeated = grow(&ranks->repeated, &ranks->repeated_count, sizeof *repeated);
  char *name = strings_intern(ranks->strings, path);
  if (!repeated || !name) {
    ranks->repeated_count -= repeated != NULL;
    return ERROR_MEMORY;
  }
  *repeated = name;
  if (process->is_store && !is_store) {
    *repeated = process->path;
    process->path = name;
    process->is_store = false;
  }
  return 0;
}

static int copy_samples(struct ranks_process *process, const struct facts *facts) {
  process->samples = calloc(facts->timeline_count + 1, sizeof *process->samples);
  if (!process->samples) {
    return ERROR_MEMORY;
  }
  process->samples_count = facts->timeline_count;
  if (facts->timeline_count) {
    memcpy(process->samples, facts->timeline, facts->timeline_count * sizeof *process->samples);
  }
  return 0;
}

static void copy_figures(struct ranks_process *process, const struct facts *facts) {
  process->peak = facts->peak;
  memcpy(process->categories, facts->categories, sizeof process->categories);
  process->saved_step = facts->saved_step;
  process->saved_bytes = facts->saved_bytes;
  process->steps = facts->steps_count;
  for (size_t i = 0; i < facts->projections_count && i < RANKS_BITS && facts->saved_count; i++) {
    process->projections[process->projections_count++] = facts->projections[i];
  }
}

int ranks_add(struct ranks *ranks, const char *path, bool is_store, const struct facts *facts) {
  const struct facts_run *run = &facts->run;
  struct ranks_process *process = find_same(ranks, run);
  if (process) {
    return add_again(ranks, process, path, is_store);
  }
  process = grow(&ranks->processes, &ranks->processes_count, sizeof *process);
  if (!process) {
    return ERROR_MEMORY;
  }
  *process = (struct ranks_process){
      .path = strings_intern(ranks->strings, path),
      .command = strings_intern(ranks->strings, run->command),
      .host = strings_intern(ranks->strings, run->host),
      .damage = strings_intern(ranks->strings, run->damage),
      .framework = strings_intern(ranks->strings, run->framework),
      .pid = run->pid,
      .ppid = run->ppid,
      .exit_status = run->exit_status,
      .rank = run->rank,
      .complete = run->complete,
      .main = RANKS_NONE,
      .start_unix_ns = run->start_unix_ns,
      .wall_ns = run->wall_ns,
      .events = run->events,
      .is_store = is_store,
  };
  copy_figures(process, facts);
  ranks->world_size = run->world_size > ranks->world_size ? run->world_size : ranks->world_size;
  bool whole = process->path && process->command && process->host && process->damage && process->framework;
  return whole && (!is_store || copy_samples(process, facts) == 0) ? 0 : ERROR_MEMORY;
}

int ranks_add_failure(struct ranks *ranks, const char *path, const char *reason) {
  struct ranks_failure *failure = grow(&ranks->failures, &ranks->failures_count, sizeof *failure);
  if (!failure) {
    return ERROR_MEMORY;
  }
  failure->path = strings_intern(ranks->strings, path);
  failure->reason = strings_intern(ranks->strings, reason);
  if (!failure->path || !failure->reason) {
    ranks->failures_count--;
    return ERROR_MEMORY;
  }
  return 0;
}

/* ---- who is who --------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
  const struct ranks_process *left = a, *right = b;
  if (left->rank != right->rank) {
    return left->rank < right->rank ? -1 : 1;
  }
  int hosts = strcmp(left->host, right->host);
  if (hosts || left->pid == right->pid) {
    return hosts ? hosts : (left->start_unix_ns > right->start_unix_ns) - (left->start_unix_ns < right->start_unix_ns);
  }
  return left->pid < right->pid ? -1 : 1;
}

static int compare_nodes(const void *a, const void *b) {
  return strcmp(((const struct ranks_node *)a)->host, ((const struct ranks_node *)b)->host);
}

static int find_nodes(struct ranks *ranks) {
  ranks->nodes = calloc(ranks->processes_count + 1, sizeof *ranks->nodes);
  if (!ranks->nodes) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < ranks->processes_count; i++) {
    const char *host = ranks->processes[i].host;
    size_t node = 0; /* interned: equal names are one pointer */
    while (node < ranks->nodes_count && ranks->nodes[node].host != host) {
      node++;
    }
    if (node == ranks->nodes_count) {
      ranks->nodes[ranks->nodes_count++].host = host;
    }
  }
  if (ranks->nodes_count) {
    qsort(ranks->nodes, ranks->nodes_count, sizeof *ranks->nodes, compare_nodes);
  }
  for (size_t i = 0; i < ranks->processes_count; i++) {
    struct ranks_process *process = &ranks->processes[i];
    while (ranks->nodes[process->node].host != process->host) {
      process->node++;
    }
  }
  return 0;
}

/* The same program, by fork; or by one of the ways in which Python's multiprocessing starts it. */
static bool is_worker(const struct ranks_process *process, const struct ranks_process *main) {
  return strcmp(process->command, main->command) == 0 || strstr(process->command, "multiprocessing.spawn") ||
         strstr(process->command, "multiprocessing.forkserver") || strstr(process->command, "--multiprocessing-fork");
}

static enum ranks_role role_of(const struct ranks *ranks, const struct trace_family_process *member, size_t index) {
  switch (member->role) {
  case TRACE_FAMILY_MAIN:
    return RANKS_MAIN;
  case TRACE_FAMILY_BELOW:
    return is_worker(&ranks->processes[index], &ranks->processes[member->main]) ? RANKS_WORKER : RANKS_HELPER;
  case TRACE_FAMILY_ABOVE:
    return RANKS_LAUNCHER;
  default:
    return RANKS_OTHER;
  }
}

/* Who trains does the work, and more so than any amount of bytes. */
static uint64_t weight_of(const struct ranks_process *process) {
  const uint64_t trains = UINT64_C(1) << 62;
  const uint64_t bytes = process->peak.bytes < trains ? process->peak.bytes : trains - 1;
  return bytes + (process->saved_bytes || process->steps ? trains : 0);
}

static int find_roles(struct ranks *ranks) {
  struct trace_family_process *members = calloc(ranks->processes_count + 1, sizeof *members);
  if (!members) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < ranks->processes_count; i++) {
    const struct ranks_process *process = &ranks->processes[i];
    members[i] = (struct trace_family_process){.pid = process->pid,
                                               .ppid = process->ppid,
                                               .machine = (unsigned)process->node,
                                               .rank = process->rank,
                                               .weight = weight_of(process)};
  }
  trace_family_find(members, ranks->processes_count);
  for (size_t i = 0; i < ranks->processes_count; i++) {
    struct ranks_process *process = &ranks->processes[i];
    process->role = role_of(ranks, &members[i], i);
    process->rank = members[i].rank;
    process->main = process->role == RANKS_MAIN || members[i].main == TRACE_FAMILY_NONE ? RANKS_NONE : members[i].main;
  }
  free(members);
  return 0;
}

bool ranks_has(const struct ranks *ranks, int rank) {
  for (size_t i = 0; i < ranks->processes_count; i++) {
    if (ranks->processes[i].role == RANKS_MAIN && ranks->processes[i].rank == rank) {
      return true;
    }
  }
  return false;
}

static void count_mains(struct ranks *ranks) {
  for (size_t i = 0; i < ranks->processes_count; i++) {
    const struct ranks_process *process = &ranks->processes[i];
    ranks->mains += process->role == RANKS_MAIN;
    ranks->distributed = ranks->distributed || (process->role == RANKS_MAIN && process->rank >= 0);
  }
  for (int rank = 0; ranks->distributed && rank < ranks->world_size; rank++) {
    ranks->missing += !ranks_has(ranks, rank);
  }
}

int ranks_finish(struct ranks *ranks, void (*progress)(void *context, double share), void *context, struct error *err) {
  if (ranks->processes_count) {
    qsort(ranks->processes, ranks->processes_count, sizeof *ranks->processes, compare);
  }
  int code = find_nodes(ranks);
  code = code ? code : find_roles(ranks);
  if (code) {
    return error_set(err, code, "out of memory");
  }
  count_mains(ranks);
  return ranks_sums(ranks, progress, context, err);
}
