/* The views of several processes together: `report` with several runs. */
#ifndef ACTSCOPE_REPORTS_RANKS_VIEW_H
#define ACTSCOPE_REPORTS_RANKS_VIEW_H

#include "analyzers/ranks.h"
#include "reports/report_rows.h"
#include "reports/sink.h"

#include <stddef.h>

void ranks_text_emit(struct sink *sink, const struct ranks *ranks, const struct report_options *options);
/* schema "actscope.ranks/1" */
void ranks_json_emit(struct sink *sink, const struct ranks *ranks, const struct report_options *options);
void ranks_csv_emit(struct sink *sink, const struct ranks *ranks, const struct report_options *options);
void ranks_md_emit(struct sink *sink, const struct ranks *ranks, const struct report_options *options);

struct ranks_backend { /* by the names of report's formats */
  const char *name;
  void (*emit)(struct sink *sink, const struct ranks *ranks, const struct report_options *options);
  size_t top; /* a good default for options.top */
};
const struct ranks_backend *ranks_backend_find(const char *name); /* NULL: that format shows one run only */

const struct report_table *ranks_tables(size_t *count);
const struct report_table *ranks_table_find(const char *name); /* NULL: none */

/* ---- parts of the views --------------------------------------------------------------------------------------------- */

enum { RANKS_NAME_SIZE = 48, RANKS_SENTENCE_SIZE = 1024 };

/* "rank 2", "pid 4711" */
const char *ranks_name(const struct ranks *ranks, size_t process, char out[static RANKS_NAME_SIZE]);
/* How it ended, in a word or two: "whole", "exit 1", "SIGKILL", "no end seen". */
const char *ranks_state(const struct ranks_process *process, char out[static RANKS_NAME_SIZE]);
/* The peak with few-bit codes at ranks->few_bit_bits; its own where it has no projection. */
uint64_t ranks_few_bit_peak(const struct ranks *ranks, const struct ranks_process *process);
/* What it comes to: "4 ranks; rank 2 peaks highest, at ...". */
const char *ranks_sentence(const struct ranks *ranks, char out[static RANKS_SENTENCE_SIZE]);

/* Processes of one role that work for the same main process: a line of a list. */
struct ranks_group {
  enum ranks_role role;
  size_t main;    /* RANKS_NONE: for none */
  size_t largest; /* the process with the highest peak */
  size_t count;
  uint64_t at_node_peak;
};
/* Of all that are no main processes, by role and then by rank; the caller frees *groups. 0, or ERROR_MEMORY. */
int ranks_groups(const struct ranks *ranks, struct ranks_group **groups, size_t *count);

/* What the figures do not say. `warns`: figures are missing or may be off. */
void ranks_notes(const struct ranks *ranks, void (*visit)(void *context, bool warns, const char *text), void *context);

#endif
