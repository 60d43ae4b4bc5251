/* Saved bytes by layer, for every width side by side. */
#ifndef ACTSCOPE_REPORTS_SAVED_VIEW_H
#define ACTSCOPE_REPORTS_SAVED_VIEW_H

#include "kernels/replay/model_run.h"
#include "reports/table.h"

#include <jansson.h>

/* Rows of runs[0], beside the run at 3 bits or the last: more have no room. Rows that hold nothing are left out. */
void saved_table_print(struct sink *sink, const struct model_run *all, size_t all_count);
/* The same by op, with a column for every run; by_op belongs to runs. */
void saved_op_table_print(struct sink *sink, const struct saved_rows *by_op, const struct model_run *runs,
                          size_t count);

/* A paragraph, if the peak of the last run is above that of the first. */
void saved_rise_print(struct sink *sink, const struct model_run *runs, size_t count);

/* layer, op, layers, nodes, bytes of each row. */
json_t *saved_rows_json(const struct saved_rows *rows);

#endif
