/* Turns the counters of an analysis into facts: run, peak, categories, steps, timeline, projection. What names blocks
 * and stacks is in assemble_saved.c. */
#include "analyzers/advice.h"
#include "analyzers/analysis.h"
#include "analyzers/assemble_saved.h"
#include "analyzers/categories.h"
#include "analyzers/facts_ops.h"
#include "analyzers/projection.h"
#include "analyzers/strings.h"
#include "analyzers/unseen.h"
#include "common/error.h"
#include "trace/trace_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool needs_quotes(const char *word) {
  static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-";
  return !*word || word[strspn(word, safe)] != '\0';
}

static void put_quoted(FILE *out, const char *word) {
  if (!needs_quotes(word)) {
    fputs(word, out);
    return;
  }
  fputc('\'', out);
  for (; *word; word++) {
    if (*word == '\'') {
      fputs("'\\''", out);
    } else {
      fputc(*word, out);
    }
  }
  fputc('\'', out);
}

static char *command_line(const struct trace_info *info, struct strings *strings) {
  char *text = NULL, *interned = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) {
    return NULL;
  }
  for (int i = 0; i < info->argc; i++) {
    fputs(i ? " " : "", out);
    put_quoted(out, info->argv[i]);
  }
  if (fclose(out) == 0) {
    interned = strings_intern(strings, text);
  }
  free(text);
  return interned;
}

static const char *run_evidence(const struct holders *holders) {
  unsigned most = 0;
  for (unsigned source = 1; source < SAVED_SOURCES; source++) {
    most = holders->sources[source] > holders->sources[most] ? source : most;
  }
  return saved_evidence_name(most);
}

static int assemble_run(const struct analysis *analysis, struct facts *facts) {
  const struct trace_info *info = analysis->info;
  facts->run = (struct facts_run){
      .command = command_line(info, facts->strings),
      .pid = info->pid,
      .ppid = info->ppid,
      .rank = info->rank,
      .world_size = (int)info->world_size,
      .host = strings_intern(facts->strings, info->host),
      .exit_status = info->exit_status,
      .complete = info->complete,
      .damage = strings_intern(facts->strings, info->damage),
      .wall_ns = analysis->end_ns,
      .start_unix_ns = info->start_unix_ns,
      .events = analysis->events,
      .threads = analysis->threads.count,
      .min_size = info->min_size,
      .lost_events = info->lost_events,
      .unseen = unseen_describe(analysis->reader, facts->strings),
      .stray_marks = analysis->holders.stray_marks,
      .oversized_marks = analysis->holders.oversized_marks,
      .framework = strings_intern(facts->strings, info->framework),
      .evidence = strings_intern(facts->strings, run_evidence(&analysis->holders)),
      .confidence = analysis->inferred.confidence,
  };
  bool whole = facts->run.command && facts->run.host && facts->run.damage && facts->run.unseen &&
               facts->run.framework && facts->run.evidence;
  return whole ? 0 : ERROR_MEMORY;
}

static void assemble_peak(const struct analysis *analysis, struct facts *facts) {
  const struct timeline *timeline = &analysis->timeline;
  facts->peak.bytes = (uint64_t)timeline->peak;
  facts->peak.lasting_bytes = analysis->lasting_bytes;
  facts->peak.time_ns = timeline->peak_ns;
  facts->peak.phase = steps_phase_at(&analysis->steps, timeline->peak_event, &facts->peak.step);
}

static int assemble_steps(struct analysis *analysis, struct facts *facts) {
  const struct steps *steps = &analysis->steps;
  facts->steps = calloc(steps->count + 1, sizeof *facts->steps);
  if (!facts->steps) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < steps->count; i++) {
    facts->steps[i] = steps->items[i].facts;
  }
  facts->steps_count = steps->count;
  facts->saved_step = steps->best;
  facts->saved_bytes = steps->best_maximum.bytes;
  facts->saved_blocks = steps->best_maximum.blocks;
  return 0;
}

static void assemble_timeline(struct analysis *analysis, struct facts *facts) {
  facts->timeline = analysis->timeline.samples;
  facts->timeline_count = analysis->timeline.samples_count;
  analysis->timeline.samples = NULL;
}

static bool is_cut(const uint64_t *cuts, size_t count, size_t *next, uint64_t event) {
  while (*next < count && cuts[*next] < event) {
    ++*next;
  }
  return *next < count && cuts[*next] == event;
}

static int compare_u64(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* Keeps the cuts at which a replaceable block changes; candidates that fell through left cuts that nobody needs. */
static int assemble_segments(const struct analysis *analysis, struct facts *facts) {
  const struct spill *all = &analysis->timeline.segments;
  size_t cuts_count = 0, next = 0;
  uint64_t *cuts = calloc(3 * facts->replaceables_count + 1, sizeof *cuts);
  facts->segments = calloc(3 * facts->replaceables_count + 2, sizeof *facts->segments);
  if (!cuts || !facts->segments) {
    free(cuts);
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < facts->replaceables_count; i++) {
    cuts[cuts_count++] = facts->replaceables[i].begin_event;
    cuts[cuts_count++] = facts->replaceables[i].release_event;
    cuts[cuts_count++] = facts->replaceables[i].free_event;
  }
  qsort(cuts, cuts_count, sizeof *cuts, compare_u64);
  for (size_t i = 0; i < all->count; i++) {
    const struct facts_segment *segment = spill_at(all, i);
    if (i == 0 || is_cut(cuts, cuts_count, &next, segment->event)) {
      facts->segments[facts->segments_count++] = *segment;
    } else {
      struct facts_segment *last = &facts->segments[facts->segments_count - 1];
      last->peak_bytes = segment->peak_bytes > last->peak_bytes ? segment->peak_bytes : last->peak_bytes;
    }
  }
  free(cuts);
  return 0;
}

int assemble_facts(struct analysis *analysis, struct facts *facts) {
  facts->strings = strings_open();
  struct category_shares *shares = calloc(analysis->timeline.stacks_limit, sizeof *shares);
  int rc = facts->strings && shares ? assemble_run(analysis, facts) : ERROR_MEMORY;
  if (rc == 0) {
    assemble_peak(analysis, facts);
    assemble_timeline(analysis, facts);
    rc = assemble_steps(analysis, facts);
  }
  rc = rc == 0 ? categories_assign(analysis, facts, shares) : rc;
  rc = rc == 0 ? assemble_saved(analysis, facts, shares) : rc;
  rc = rc == 0 ? assemble_segments(analysis, facts) : rc;
  rc = rc == 0 ? facts_count_ops(facts) : rc;
  rc = rc == 0 ? projection_compute_all(facts) : rc;
  rc = rc == 0 ? advice_find(analysis, facts, shares) : rc;
  free(shares);
  return rc;
}
