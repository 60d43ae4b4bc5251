/* Why two runs may not be comparable, in words. */
#include "reports/diff.h"
#include "reports/format.h"

#include <inttypes.h>
#include <stdio.h>

static const char *known(const char *text) {
  return text && *text ? text : "none";
}

/* "The first trace is" or, of both, "Both traces are". */
static const char *which(bool before, bool after) {
  return before && after ? "Both traces are" : before ? "The first trace is" : "The second trace is";
}

static void incomplete_words(const struct comparison *comparison, char out[static DIFF_DOUBT_SIZE]) {
  const struct facts_run *a = &comparison->facts[0]->run, *b = &comparison->facts[1]->run;
  const char *damage = a->complete ? b->damage : a->damage;
  snprintf(out, DIFF_DOUBT_SIZE, "%s incomplete: %.400s. Figures hold for what was recorded.",
           which(!a->complete, !b->complete), damage && *damage ? damage : "the end was not seen");
}

static void lost_words(const struct comparison *comparison, char out[static DIFF_DOUBT_SIZE]) {
  char a[FORMAT_SIZE], b[FORMAT_SIZE];
  snprintf(out, DIFF_DOUBT_SIZE, "Events could not be recorded (%s and %s): bytes may be off by as many blocks.",
           format_count(a, comparison->facts[0]->run.lost_events),
           format_count(b, comparison->facts[1]->run.lost_events));
}

void diff_doubt_words(const struct comparison *comparison, enum compare_doubt doubt, char out[static DIFF_DOUBT_SIZE]) {
  const struct facts_run *a = &comparison->facts[0]->run, *b = &comparison->facts[1]->run;
  char x[FORMAT_SIZE], y[FORMAT_SIZE];
  out[0] = '\0';
  switch (doubt) {
  case COMPARE_MIN_SIZE:
    snprintf(out, DIFF_DOUBT_SIZE,
             "Recorded with other --min-size (%s and %s): what counts as small, and which blocks are listed, differs "
             "for that alone.",
             format_round_bytes(x, a->min_size), format_round_bytes(y, b->min_size));
    break;
  case COMPARE_FRAMEWORK:
    snprintf(out, DIFF_DOUBT_SIZE,
             "Another framework (%.100s and %.100s): names of sites, and what ops keep, may differ for that alone.",
             known(a->framework), known(b->framework));
    break;
  case COMPARE_EVIDENCE:
    snprintf(out, DIFF_DOUBT_SIZE,
             "Saved activations were seen in another way (%.40s and %.40s): what is saved may differ for that alone.",
             known(a->evidence), known(b->evidence));
    break;
  case COMPARE_INCOMPLETE:
    incomplete_words(comparison, out);
    break;
  case COMPARE_LOST:
    lost_words(comparison, out);
    break;
  case COMPARE_LAYERS:
    snprintf(out, DIFF_DOUBT_SIZE, "Only %s run was recorded with --layers: layers cannot be compared.",
             comparison->layer_sums[0].count ? "the first" : "the second");
    break;
  case COMPARE_PYTHON_LINES:
    snprintf(out, DIFF_DOUBT_SIZE, "Only %s run was recorded with --python-stacks: sites cannot be compared.",
             comparison->python_lines[0] ? "the first" : "the second");
    break;
  case COMPARE_RANK:
    snprintf(out, DIFF_DOUBT_SIZE, "Other ranks of distributed jobs (%d and %d; -1 is none).", a->rank, b->rank);
    break;
  case COMPARE_FEW_STEPS:
    snprintf(out, DIFF_DOUBT_SIZE, "Only %s run has a complete step: what a step saves cannot be compared.",
             comparison->steps[0].complete ? "the first" : "the second");
    break;
  }
}
