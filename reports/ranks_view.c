/* What the views of several processes have in common: see the header. */
#include "reports/ranks_view.h"

#include "reports/format.h"
#include "reports/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct ranks_backend backends[] = {
    {"text", ranks_text_emit, 10},
    {"json", ranks_json_emit, 0},
    {"csv", ranks_csv_emit, 0},
    {"md", ranks_md_emit, 10},
};

const struct ranks_backend *ranks_backend_find(const char *name) {
  for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
    if (strcmp(backends[i].name, name) == 0) {
      return &backends[i];
    }
  }
  return NULL;
}

/* ---- words ---------------------------------------------------------------------------------------------------------- */

const char *ranks_name(const struct ranks *ranks, size_t process, char out[static RANKS_NAME_SIZE]) {
  const struct ranks_process *named = &ranks->processes[process];
  if (named->rank >= 0 && named->role == RANKS_MAIN) {
    snprintf(out, RANKS_NAME_SIZE, "rank %d", named->rank);
  } else {
    snprintf(out, RANKS_NAME_SIZE, "pid %d", named->pid);
  }
  return out;
}

const char *ranks_state(const struct ranks_process *process, char out[static RANKS_NAME_SIZE]) {
  const int status = process->exit_status;
  const char *signal = status > 128 ? sigabbrev_np(status - 128) : NULL;
  if (signal) {
    snprintf(out, RANKS_NAME_SIZE, "SIG%s", signal);
  } else if (status > 0) {
    snprintf(out, RANKS_NAME_SIZE, "exit %d", status);
  } else {
    snprintf(out, RANKS_NAME_SIZE, "%s", process->complete ? "whole" : "cut short");
  }
  return out;
}

uint64_t ranks_few_bit_peak(const struct ranks *ranks, const struct ranks_process *process) {
  for (size_t i = 0; i < process->projections_count; i++) {
    if (process->projections[i].bits == ranks->few_bit_bits) {
      return process->projections[i].peak_bytes;
    }
  }
  return process->peak.bytes;
}

/* ---- the sentence --------------------------------------------------------------------------------------------------- */

static void put_highest(const struct ranks *ranks, FILE *out) {
  const struct ranks_process *highest = &ranks->processes[ranks->peak.at_highest];
  char bytes[FORMAT_SIZE], when[SUMMARY_WHEN_SIZE], name[RANKS_NAME_SIZE], above[FORMAT_SIZE];
  format_bytes(bytes, highest->peak.bytes);
  summary_when_of(&highest->peak, NULL, when);
  if (ranks->mains == 1) {
    fprintf(out, "The heap of %s peaked at %s, %s.", ranks_name(ranks, ranks->peak.at_highest, name), bytes, when);
    return;
  }
  fprintf(out, "%zu %s. %s%s peaked highest, at %s, %s", ranks->mains, ranks->distributed ? "ranks" : "programs",
          ranks->distributed ? "R" : "P", ranks_name(ranks, ranks->peak.at_highest, name) + 1, bytes, when);
  if (ranks->peak.highest > ranks->peak.lowest) {
    fprintf(out, ": %s above the mean", format_percent(above, ranks->peak.imbalance, 1));
  }
  fputs(".", out);
}

static void put_few_bit(const struct ranks *ranks, FILE *out) {
  char bytes[FORMAT_SIZE], name[RANKS_NAME_SIZE], saving[FORMAT_SIZE];
  if (ranks->few_bit_bits && ranks->few_bit.highest < ranks->peak.highest) {
    fprintf(out, " With %u-bit gradients %s would have been %s", ranks->few_bit_bits,
            ranks->mains > 1 ? "the highest" : "it", format_bytes(bytes, ranks->few_bit.highest));
    if (ranks->mains > 1) {
      fprintf(out, " (%s)", ranks_name(ranks, ranks->few_bit.at_highest, name));
    }
    fprintf(
        out, ": %s less.",
        format_percent(saving, (double)(ranks->peak.highest - ranks->few_bit.highest), (double)ranks->peak.highest));
  }
}

static void put_together(const struct ranks *ranks, FILE *out) {
  const struct ranks_node *most = &ranks->nodes[0];
  char bytes[FORMAT_SIZE], time[FORMAT_SIZE], share[FORMAT_SIZE];
  for (size_t i = 1; i < ranks->nodes_count; i++) {
    most = ranks->nodes[i].peak_bytes > most->peak_bytes ? &ranks->nodes[i] : most;
  }
  if (ranks->processes_count == 1) {
    return;
  }
  if (ranks->nodes_count == 1) {
    fputs(" All processes together", out);
  } else {
    fprintf(out, " The processes of %s, the most of %zu machines, together", *most->host ? most->host : "one machine",
            ranks->nodes_count);
  }
  fprintf(out, " had at most %s, %s after the first began: %s of the sum of their peaks.",
          format_bytes(bytes, most->peak_bytes), format_duration(time, most->time_ns),
          format_percent(share, (double)most->peak_bytes, (double)most->sum_of_peaks));
}

const char *ranks_sentence(const struct ranks *ranks, char out[static RANKS_SENTENCE_SIZE]) {
  FILE *stream = fmemopen(out, RANKS_SENTENCE_SIZE, "w");
  out[0] = '\0';
  if (!stream) {
    return out;
  }
  if (ranks->mains == 0) {
    fprintf(stream, "None of %zu files could be read.", ranks->failures_count);
  } else {
    put_highest(ranks, stream);
    put_few_bit(ranks, stream);
    put_together(ranks, stream);
  }
  fclose(stream);
  return out;
}

/* ---- the others ----------------------------------------------------------------------------------------------------- */

static int compare_groups(const void *a, const void *b) {
  const struct ranks_group *left = a, *right = b;
  if (left->role != right->role) {
    return left->role < right->role ? -1 : 1;
  }
  return (left->main > right->main) - (left->main < right->main);
}

static void add_to_group(const struct ranks *ranks, size_t index, struct ranks_group *groups, size_t *count) {
  const struct ranks_process *process = &ranks->processes[index];
  size_t at = 0;
  while (at < *count && (groups[at].role != process->role || groups[at].main != process->main)) {
    at++;
  }
  if (at == *count) {
    groups[(*count)++] = (struct ranks_group){.role = process->role, .main = process->main, .largest = index};
  }
  struct ranks_group *group = &groups[at];
  group->count++;
  group->at_node_peak += process->at_node_peak;
  if (process->peak.bytes > ranks->processes[group->largest].peak.bytes) {
    group->largest = index;
  }
}

int ranks_groups(const struct ranks *ranks, struct ranks_group **groups, size_t *count) {
  *count = 0;
  *groups = calloc(ranks->processes_count + 1, sizeof **groups);
  if (!*groups) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < ranks->processes_count; i++) {
    if (ranks->processes[i].role != RANKS_MAIN) {
      add_to_group(ranks, i, *groups, count);
    }
  }
  if (*count) {
    qsort(*groups, *count, sizeof **groups, compare_groups);
  }
  return 0;
}

/* ---- notes ---------------------------------------------------------------------------------------------------------- */

struct notes {
  void (*visit)(void *context, bool warns, const char *text);
  void *context;
};

enum { NAMED_MOST = 16 };

/* "0, 1, 5, ..." */
static void note_missing(const struct notes *notes, const struct ranks *ranks) {
  char text[384], names[200] = "";
  size_t named = 0;
  for (int rank = 0; rank < ranks->world_size && named < NAMED_MOST; rank++) {
    if (!ranks_has(ranks, rank)) {
      size_t length = strlen(names);
      snprintf(names + length, sizeof names - length, "%s%d", named++ ? ", " : "", rank);
    }
  }
  snprintf(text, sizeof text, "Of the job's %d ranks %zu %s not here: %s%s.", ranks->world_size, ranks->missing,
           ranks->missing == 1 ? "is" : "are", names, ranks->missing > named ? ", ..." : "");
  if (ranks->missing) {
    notes->visit(notes->context, true, text);
  }
}

static void note_incomplete(const struct notes *notes, const struct ranks *ranks) {
  for (size_t i = 0; i < ranks->processes_count; i++) {
    const struct ranks_process *process = &ranks->processes[i];
    char name[RANKS_NAME_SIZE], text[768];
    if (process->role == RANKS_MAIN && !process->complete) {
      snprintf(text, sizeof text, "The trace of %s is incomplete: %s. Its figures hold for what was recorded.",
               ranks_name(ranks, i, name), *process->damage ? process->damage : "its end was not seen");
      notes->visit(notes->context, true, text);
    }
  }
}

/* A process that nobody has started again trains once. */
static void note_again(const struct notes *notes, const struct ranks *ranks) {
  for (size_t i = 0; i < ranks->processes_count; i++) {
    const struct ranks_process *process = &ranks->processes[i];
    char text[256];
    if (process->role == RANKS_OTHER && process->main != RANKS_NONE && process->saved_bytes) {
      snprintf(text, sizeof text,
               "Pid %d trained as rank %d too: was the rank started again, or are these of several jobs?", process->pid,
               process->rank);
      notes->visit(notes->context, true, text);
    }
  }
}

/* Of a program that trains, workers are a data loader's. */
static bool has_loaders(const struct ranks *ranks) {
  for (size_t i = 0; i < ranks->processes_count; i++) {
    const struct ranks_process *process = &ranks->processes[i];
    if (process->role == RANKS_WORKER && ranks->processes[process->main].saved_bytes) {
      return true;
    }
  }
  return false;
}

static void note_sums(const struct notes *notes, const struct ranks *ranks) {
  bool exact = true;
  for (size_t i = 0; i < ranks->nodes_count; i++) {
    exact = exact && ranks->nodes[i].exact;
  }
  if (ranks->apart) {
    notes->visit(notes->context, true,
                 "A process had ended before another began: are these of several recordings? What they had together "
                 "counts only what was there at the same time.");
  }
  if (!exact) {
    notes->visit(notes->context, false,
                 "A store knows the highest bytes of each of some thousand intervals, so that the peak of the sum is "
                 "an upper bound; from the traces it would be exact.");
  }
  if (has_loaders(ranks)) {
    notes->visit(notes->context, false,
                 "Workers hand batches over in shared memory, which is on no heap and not counted.");
  }
}

/* Nothing but fork gives a child its parent's command. */
static bool is_forked(const struct ranks *ranks, const struct ranks_process *child) {
  for (size_t i = 0; i < ranks->processes_count; i++) {
    const struct ranks_process *parent = &ranks->processes[i];
    if (parent->pid == child->ppid && parent->node == child->node && strcmp(parent->command, child->command) == 0) {
      return true;
    }
  }
  return false;
}

static void note_forked(const struct notes *notes, const struct ranks *ranks) {
  bool any = false;
  for (size_t i = 0; i < ranks->processes_count && !any; i++) {
    any = is_forked(ranks, &ranks->processes[i]);
  }
  if (any) {
    notes->visit(notes->context, false,
                 "A forked process begins at nothing: what it inherits is counted in its parent alone.");
  }
}

static void note_repeated(const struct notes *notes, const struct ranks *ranks) {
  char text[512];
  if (ranks->repeated_count) {
    snprintf(text, sizeof text, "Counted once: %.300s%s, of a process that is there already.", ranks->repeated[0],
             ranks->repeated_count > 1 ? " ..." : "");
    notes->visit(notes->context, false, text);
  }
}

void ranks_notes(const struct ranks *ranks, void (*visit)(void *context, bool warns, const char *text), void *context) {
  const struct notes notes = {visit, context};
  note_missing(&notes, ranks);
  note_incomplete(&notes, ranks);
  note_again(&notes, ranks);
  note_sums(&notes, ranks);
  note_forked(&notes, ranks);
  note_repeated(&notes, ranks);
}
