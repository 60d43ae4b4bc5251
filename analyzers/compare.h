/* What changed from one run to another: figures side by side, by name, the largest change first.
 *
 * Everything here follows from the facts of both runs, which must outlive the comparison: most names are theirs. */
#ifndef ACTSCOPE_ANALYZERS_COMPARE_H
#define ACTSCOPE_ANALYZERS_COMPARE_H

#include "analyzers/facts.h"
#include "analyzers/facts_layers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum compare_side { COMPARE_BEFORE, COMPARE_AFTER, COMPARE_SIDES };

/* One figure of both runs. there[side] false: that run has nothing of this name. */
struct compare_row {
  const char *name;
  const char *place; /* of sites: the name without numbers of lines, which move when a program is edited; else "" */
  const char *op;    /* of sites, else "" */
  enum category category; /* of sites */
  unsigned bits;          /* of projections */
  uint64_t bytes[COMPARE_SIDES], blocks[COMPARE_SIDES];
  bool there[COMPARE_SIDES];
};

struct compare_table {
  struct compare_row *rows; /* by the size of the change, then by bytes, then by name */
  size_t count;
};

/* The steps of one run, complete ones only but for `count`. Typical figures are medians. */
struct compare_steps {
  uint64_t count, complete;
  uint64_t duration_ns, peak_bytes, saved_bytes;
};

/* Why the figures of two runs may differ for other reasons than the programs; a set of bits. */
enum compare_doubt {
  COMPARE_MIN_SIZE = 1,       /* other blocks are listed */
  COMPARE_FRAMEWORK = 2,      /* names of sites and sizes of workspaces change with it */
  COMPARE_EVIDENCE = 4,       /* saved activations were seen in another way */
  COMPARE_INCOMPLETE = 8,     /* a trace ends before its process did */
  COMPARE_LOST = 16,          /* events are missing */
  COMPARE_LAYERS = 32,        /* only one of them has names of layers */
  COMPARE_RANK = 64,          /* other ranks of a distributed job */
  COMPARE_FEW_STEPS = 128,    /* one of them has no complete step, the other has */
  COMPARE_PYTHON_LINES = 256, /* only one of them has lines of Python, by which sites go where there are any */
};
enum { COMPARE_DOUBTS = 9 };
extern const char *const compare_doubt_names[COMPARE_DOUBTS]; /* "min_size", ..., by bit */

struct comparison {
  const struct facts *facts[COMPARE_SIDES];
  unsigned doubts; /* enum compare_doubt */
  struct compare_table categories, ops, layers, projections;
  struct compare_table sites;       /* at the peak; empty under COMPARE_PYTHON_LINES, as left is */
  struct compare_table left;        /* bytes at the end, by site: those of facts.busy_sites */
  struct compare_table like_layers; /* the same with like layers taken together: "blocks.*.act" */
  struct compare_steps steps[COMPARE_SIDES];
  struct facts_layers layer_sums[COMPARE_SIDES], like_sums[COMPARE_SIDES];
  bool python_lines[COMPARE_SIDES]; /* in stacks: record --python-stacks */
  uint64_t tolerance;               /* bytes: what changes by less counts as the same */
  struct strings *places;
  bool same;      /* nothing changed by more than the tolerance */
  bool identical; /* nothing changed at all */
};

/* share: of the larger peak, below which a change counts for nothing (0.001: a thousandth). Time is no part of the verdict,
 * because no two runs take the same. 0, or ERROR_MEMORY; the caller ends it with comparison_fini, whatever the result. */
int comparison_make(struct comparison *comparison, const struct facts *before, const struct facts *after, double share);
void comparison_fini(struct comparison *comparison); /* zeroed is fine */

/* after minus before. */
int64_t compare_change(const struct compare_row *row);
/* Is the change larger than the tolerance? */
bool compare_matters(const struct comparison *comparison, const struct compare_row *row);
/* The projection of the run before that the run after looks like: what is saved fell by what those codes save, within 1 % of
 * it. NULL: none. */
const struct facts_projection *compare_projected(const struct comparison *comparison);

#endif
