/* Families of processes: see the header. Numbers of processes come from files: they may be given twice, and ancestors may
 * go round in a circle, so that no walk takes more steps than there are processes. */
#include "trace/trace_family.h"

#include <stdbool.h>

struct family {
  struct trace_family_process *processes;
  size_t count;
};

static void find_parents(const struct family *family) {
  for (size_t i = 0; i < family->count; i++) {
    struct trace_family_process *child = &family->processes[i];
    child->parent = TRACE_FAMILY_NONE;
    for (size_t j = 0; j < family->count && child->parent == TRACE_FAMILY_NONE; j++) {
      const struct trace_family_process *other = &family->processes[j];
      if (other->machine == child->machine && other->pid == child->ppid && other->pid != child->pid) {
        child->parent = j;
      }
    }
  }
}

/* The next one above *at; false at the top. steps: taken so far. */
static bool go_up(const struct family *family, size_t *at, size_t *steps) {
  size_t parent = family->processes[*at].parent;
  if (parent == TRACE_FAMILY_NONE || ++*steps > family->count) {
    return false;
  }
  *at = parent;
  return true;
}

static bool is_above(const struct family *family, size_t upper, size_t lower) {
  for (size_t at = lower, steps = 0; go_up(family, &at, &steps);) {
    if (at == upper) {
      return true;
    }
  }
  return false;
}

/* ---- ranks --------------------------------------------------------------------------------------------------------- */

/* Of another rank than its child's: what it was given counts its machine, not its process. */
static bool starts_other_ranks(const struct family *family, size_t index) {
  for (size_t i = 0; i < family->count; i++) {
    int rank = family->processes[i].rank;
    if (rank >= 0 && rank != family->processes[index].rank && is_above(family, index, i)) {
      return true;
    }
  }
  return false;
}

/* Marked first, since each one is told by the ranks that the others have. */
static void take_from_launchers(const struct family *family) {
  for (size_t i = 0; i < family->count; i++) {
    struct trace_family_process *process = &family->processes[i];
    process->role = process->rank >= 0 && starts_other_ranks(family, i) ? TRACE_FAMILY_ABOVE : TRACE_FAMILY_BESIDE;
  }
  for (size_t i = 0; i < family->count; i++) {
    struct trace_family_process *process = &family->processes[i];
    process->rank = process->role == TRACE_FAMILY_ABOVE ? -1 : process->rank;
  }
}

static bool inherit_ranks(const struct family *family) {
  bool any = false;
  for (size_t i = 0; i < family->count; i++) {
    struct trace_family_process *process = &family->processes[i];
    for (size_t at = i, steps = 0; process->rank < 0 && go_up(family, &at, &steps);) {
      process->rank = family->processes[at].rank;
    }
    any = any || process->rank >= 0;
  }
  return any;
}

/* ---- who does the work --------------------------------------------------------------------------------------------- */

static size_t top_of(const struct family *family, size_t index) {
  size_t at = index, steps = 0;
  while (go_up(family, &at, &steps)) {
  }
  return at;
}

static bool same_work(const struct family *family, bool ranked, size_t a, size_t b) {
  return ranked ? family->processes[a].rank >= 0 && family->processes[a].rank == family->processes[b].rank
                : top_of(family, a) == top_of(family, b);
}

/* Has nobody of the same work above it. */
static bool is_top(const struct family *family, bool ranked, size_t index) {
  for (size_t at = index, steps = 0; go_up(family, &at, &steps);) {
    if (same_work(family, ranked, at, index)) {
      return false;
    }
  }
  return true;
}

static size_t heavier(const struct family *family, size_t a, size_t b) {
  return a == TRACE_FAMILY_NONE || family->processes[b].weight > family->processes[a].weight ? b : a;
}

static size_t choose_main(const struct family *family, bool ranked, size_t index) {
  size_t top = TRACE_FAMILY_NONE, heaviest = TRACE_FAMILY_NONE;
  for (size_t i = 0; i < family->count; i++) {
    if (same_work(family, ranked, i, index)) {
      heaviest = heavier(family, heaviest, i);
      top = is_top(family, ranked, i) ? heavier(family, top, i) : top;
    }
  }
  bool wrapper = top == TRACE_FAMILY_NONE ||
                 family->processes[heaviest].weight / TRACE_FAMILY_WRAPPER > family->processes[top].weight;
  return wrapper ? heaviest : top;
}

static void choose_all(const struct family *family, bool ranked) {
  for (size_t i = 0; i < family->count; i++) {
    struct trace_family_process *process = &family->processes[i];
    process->main = TRACE_FAMILY_NONE;
    for (size_t j = 0; j < i && process->main == TRACE_FAMILY_NONE; j++) {
      process->main = same_work(family, ranked, j, i) ? family->processes[j].main : TRACE_FAMILY_NONE;
    }
    if (process->main == TRACE_FAMILY_NONE && (!ranked || process->rank >= 0)) {
      process->main = choose_main(family, ranked, i);
    }
  }
}

static bool is_above_a_main(const struct family *family, size_t index) {
  for (size_t i = 0; i < family->count; i++) {
    if (family->processes[i].main == i && is_above(family, index, i)) {
      return true;
    }
  }
  return false;
}

static void find_roles(const struct family *family) {
  for (size_t i = 0; i < family->count; i++) {
    struct trace_family_process *process = &family->processes[i];
    if (process->main == i) {
      process->role = TRACE_FAMILY_MAIN;
    } else if (process->main != TRACE_FAMILY_NONE && is_above(family, process->main, i)) {
      process->role = TRACE_FAMILY_BELOW;
    } else {
      process->role = is_above_a_main(family, i) ? TRACE_FAMILY_ABOVE : TRACE_FAMILY_BESIDE;
    }
  }
}

void trace_family_find(struct trace_family_process *processes, size_t count) {
  const struct family family = {processes, count};
  find_parents(&family);
  take_from_launchers(&family);
  bool ranked = inherit_ranks(&family);
  choose_all(&family, ranked);
  find_roles(&family);
}
